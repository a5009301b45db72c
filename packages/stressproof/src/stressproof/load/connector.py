"""Opening connections: TCP and TLS timed apart, failures told apart."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Sequence
from time import monotonic_ns

from stressproof.load.addresses import Address, server_name, tls_context
from stressproof.load.recorder import Phases
from stressproof.load.socket_errors import describe
from stressproof.workload.target import Target

_PATIENCE_S = 1.0
_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE})


class OpeningError(Exception):
    """A connection could not be opened.

    Attributes:
        outcome: ``connect``, ``tls``, or what the peer did the moment it was connected.
    """

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome


class HandoffProtocol(asyncio.Protocol):
    """Stands in until a connection is handed over, and after it is given up."""

    __slots__ = ("spoken",)

    def __init__(self) -> None:
        self.spoken = False

    def data_received(self, data: bytes) -> None:  # noqa: ARG002  # asyncio's signature
        """Note that the peer spoke without having been asked."""
        self.spoken = True


class Connector:
    """Opens connections to one target.

    Args:
        loop: The event loop.
        target: Whom to reach.
        addresses: Where it is, in order of preference; the one that worked last comes first.
        phases: Where the times go.

    Attributes:
        file_limit_hits: Attempts that failed for want of file descriptors.
        port_limit_hits: Attempts that failed for want of local ports.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        target: Target,
        addresses: Sequence[Address],
        phases: Phases,
    ) -> None:
        self._loop = loop
        self._context = tls_context(target)
        self._server_name = server_name(target)
        self._addresses = list(addresses)
        self._phases = phases
        self.file_limit_hits = 0
        self.port_limit_hits = 0

    async def open(self) -> asyncio.Transport:
        """Open a connection; its protocol is a `HandoffProtocol` until the caller sets another.

        Raises:
            OpeningError: No address can be reached, or the peer cannot be verified.
        """
        before_ns = monotonic_ns()
        sock = await self._connect()
        connected_ns = monotonic_ns()
        self._phases.connect.record((connected_ns - before_ns) // 1000)
        doorstep = HandoffProtocol()
        try:
            if self._context is None:
                transport, _ = await self._loop.create_connection(lambda: doorstep, sock=sock)
            else:
                transport, _ = await self._loop.create_connection(
                    lambda: doorstep,
                    sock=sock,
                    ssl=self._context,
                    server_hostname=self._server_name,
                )
                self._phases.tls.record((monotonic_ns() - connected_ns) // 1000)
        except (OSError, ssl.SSLError) as error:
            sock.close()
            raise OpeningError("tls" if self._context else "connect", describe(error)) from error
        except BaseException:
            sock.close()
            raise
        if doorstep.spoken or transport.is_closing():
            transport.abort()
            raise OpeningError(
                "protocol" if doorstep.spoken else "reset",
                "the peer spoke before it was asked"
                if doorstep.spoken
                else "the peer closed the connection at once",
            )
        return transport

    async def _connect(self) -> socket.socket:
        failure: OSError | None = None
        for place in list(self._addresses):
            sock: socket.socket | None = None
            try:
                sock = socket.socket(place.family, socket.SOCK_STREAM)
                sock.settimeout(0)  # never block the loop
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # A network that swallows packets to one address must not hide the next.
                async with asyncio.timeout(None if place == self._addresses[-1] else _PATIENCE_S):
                    await self._loop.sock_connect(sock, place.place())
            except OSError as error:
                failure = error
                if sock is not None:
                    sock.close()
                if error.errno in _NO_FILES:
                    self.file_limit_hits += 1
                    break
                if error.errno == errno.EADDRNOTAVAIL:
                    self.port_limit_hits += 1
                    break
            except BaseException:
                if sock is not None:
                    sock.close()
                raise
            else:
                if place != self._addresses[0]:
                    self._addresses.remove(place)
                    self._addresses.insert(0, place)
                return sock
        raise OpeningError("connect", describe(failure) if failure else "no address") from failure
