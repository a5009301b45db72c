"""A server of a test on an event loop of its own, in a thread."""

import asyncio
import threading


class LoopServer:
    """Runs from its making until `stop`; what it serves a subclass says.

    Attributes:
        port: Where it listens, on loopback.
    """

    def __init__(self) -> None:
        self.port = 0
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(20)

    async def listen(self) -> asyncio.Server:
        """Return the server, which listens on a free port of 127.0.0.1."""
        raise NotImplementedError

    def stop(self) -> None:
        """Close everything."""

        async def shut() -> None:
            self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(shut(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(self.listen())
        self.port = self._server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()
