"""Takes connections off the listening socket that all workers share, so that each gets its share.

The kernel wakes every worker and the first one takes all: measured, ten connections opened at once
mostly end at one worker. Here a worker that holds more connections than another steps back for a
moment, and takes the connection itself only where nobody else did. (A socket a worker would spread
them by chance, and leave those of a dead worker hanging.)
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any, Final

import uvicorn

from enforcement.api.connections import Connections
from enforcement.api.protocol import BoundedProtocol

STEP_BACK_S: Final = 0.005
SHORTAGE_PAUSE_S: Final = 0.1
SWEEP_EVERY_S: Final = 0.25
MAX_LATE: Final = 1024
_SHORTAGE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """Accepts for one worker.

    Args:
        listener: Listening; shared with the other workers.
        make: Makes the protocol of a connection.
        connections: Of this worker.
    """

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], BoundedProtocol],
        connections: Connections,
    ) -> None:
        self._listener = listener
        self._make = make
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._stopped = False

    def start(self) -> None:
        """Take connections from now on."""
        self._listener.settimeout(0)
        self._loop.add_reader(self._listener, self._readable)

    async def stop(self) -> None:
        """Take what came before this moment, then no more."""
        self._stopped = True
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)
        for _ in range(MAX_LATE):
            if not self._take():
                break
        self._listener.close()
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _readable(self) -> None:
        if self._connections.is_crowded():
            self._step_back(STEP_BACK_S)
        else:
            self._take()

    def _step_back(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, self._come_back)

    def _come_back(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._readable)
        self._take()

    def _take(self) -> bool:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:  # none is waiting any more, or it was withdrawn
            if self._stopped:
                return False
            if error.errno in _SHORTAGE and self._pause is None:
                self._step_back(SHORTAGE_PAUSE_S)
            elif error.errno in {errno.EINVAL, errno.EBADF}:  # the parent has closed it: a drain
                self._loop.remove_reader(self._listener)
            return False
        connection.settimeout(0)
        self._connections.opened()
        task = self._loop.create_task(self._attach(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _attach(self, connection: socket.socket) -> None:
        made: list[BoundedProtocol] = []

        def make() -> BoundedProtocol:
            made.append(self._make())
            return made[0]

        try:
            await self._loop.connect_accepted_socket(make, connection)
        except OSError:  # it is gone already
            connection.close()
            if not made or made[0].transport is None:
                self._connections.closed()


class WorkerServer(uvicorn.Server):
    """uvicorn's server with connections taken and watched in our way.

    Args:
        config: uvicorn's.
        listener: Shared by all workers.
        connections: Of this worker.
        protocol: Makes the protocol of a connection from uvicorn's ``config``, ``server_state``
            and ``app_state``.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        connections: Connections,
        protocol: Callable[..., BoundedProtocol],
    ) -> None:
        super().__init__(config)
        self._listener = listener
        self._connections = connections
        self._protocol = protocol
        self._acceptor: Acceptor | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then take connections."""
        del sockets
        await super().startup(sockets=[])
        self._acceptor = Acceptor(self._listener, self._make, self._connections)
        self._acceptor.start()
        self._sweeper = asyncio.create_task(self._sweep())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, answer what was asked, end the application."""
        del sockets
        if self._acceptor is not None:
            await self._acceptor.stop()
        try:
            await super().shutdown(sockets=[])
        finally:
            if self._sweeper is not None:
                self._sweeper.cancel()

    def _make(self) -> BoundedProtocol:
        return self._protocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def _sweep(self) -> None:
        """End connections that have lasted too long."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            now = loop.time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, BoundedProtocol):
                    connection.expire(now)
