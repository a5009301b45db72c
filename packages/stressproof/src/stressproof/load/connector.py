"""Opening connections: TCP and TLS timed apart, failures told apart."""

import asyncio
import errno
import socket
import ssl
from collections import Counter
from collections.abc import Sequence
from time import monotonic_ns
from typing import Protocol

from stressproof.load.addresses import NO_HTTP2, Address, server_name, tls_context
from stressproof.load.recorder import Phases
from stressproof.load.socket_errors import describe
from stressproof.load.tls import HandshakeError, TlsTransport
from stressproof.workload.target import Target, origin_of

_PATIENCE_S = 1.0
_AWAY_NS = 5_000_000_000  # an address that could not be reached is left alone that long
_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE})


class OpeningError(Exception):
    """A connection could not be opened.

    Attributes:
        outcome: ``connect``, ``tls``, or what the peer did the moment it was connected.
    """

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome


class Transport(Protocol):
    """What a connection is written to: asyncio's own transports, and ours of TLS."""

    def write(self, data: bytes, /) -> None:
        """Send bytes."""

    def abort(self) -> None:
        """Close at once."""

    def set_protocol(self, protocol: asyncio.BaseProtocol, /) -> None:
        """Tell somebody else from now on."""

    def is_closing(self) -> bool:
        """Return whether nothing can be sent any more."""


class HandoffProtocol(asyncio.Protocol):
    """Stands in until a connection is handed over, and after it is given up."""

    __slots__ = ("received",)

    def __init__(self) -> None:
        self.received = b""

    def data_received(self, data: bytes) -> None:
        """Keep what the peer says unasked."""
        self.received += data


def session_of(transport: Transport | None) -> ssl.SSLSession | None:
    """Return what the next connection may resume of this one, None for plain TCP.

    Only who had a connection resumes it: users who are new to the target verify for themselves.
    """
    return transport.session if isinstance(transport, TlsTransport) else None


class Connector:
    """Opens connections to one target, spread over its addresses.

    Args:
        loop: The event loop.
        target: Whom to reach.
        addresses: Where it is, in order of preference. Those of the first one's family are taken
            in turn; others only where none of them can be reached.
        phases: Where the times go.
        turn: Which address to begin with, so that workers do not all begin with the same.

    Attributes:
        origin: Where the target is.
        opened: Connections by numeric address.
        resumed: TLS handshakes that resumed an earlier session.
        file_limit_hits: Attempts that failed for want of file descriptors.
        port_limit_hits: Attempts that failed for want of local ports.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        target: Target,
        addresses: Sequence[Address],
        phases: Phases,
        turn: int = 0,
    ) -> None:
        self._loop = loop
        self._context = tls_context(target)
        self._server_name = server_name(target)
        self.origin = origin_of(target.url)
        self._http2 = target.http2
        self._addresses = list(addresses)
        self._away_until_ns = dict.fromkeys(self._addresses, 0)
        self._turn = turn
        self._phases = phases
        self.opened: Counter[str] = Counter()
        self.resumed = 0
        self.file_limit_hits = 0
        self.port_limit_hits = 0

    async def open(self, session: ssl.SSLSession | None = None) -> Transport:
        """Open a connection to a peer that waits to be asked.

        Its protocol is a `HandoffProtocol` until the caller sets another.

        Args:
            session: Of TLS, what the caller's connection before left (`session_of`).

        Raises:
            OpeningError: No address can be reached, or the peer cannot be verified.
        """
        transport, early = await self.dial(session)
        if early:
            transport.abort()
            raise OpeningError("protocol", "the peer spoke before it was asked")
        return transport

    async def dial(self, session: ssl.SSLSession | None = None) -> tuple[Transport, bytes]:
        """Open a connection; return what the peer has said by now as well.

        Args:
            session: Of TLS, what the caller's connection before left (`session_of`).

        Raises:
            OpeningError: No address can be reached, or the peer cannot be verified.
        """
        before_ns = monotonic_ns()
        sock = await self._connect()
        self._phases.connect.record((monotonic_ns() - before_ns) // 1000)
        handoff = HandoffProtocol()
        transport: Transport
        try:
            if self._context is None:
                transport, _ = await self._loop.create_connection(lambda: handoff, sock=sock)
            else:
                transport = await self._secure(sock, self._context, session, handoff)
        except OSError as error:
            sock.close()
            raise OpeningError("connect", describe(error)) from error
        except BaseException:
            sock.close()
            raise
        if transport.is_closing() and not handoff.received:
            transport.abort()
            raise OpeningError("reset", "the peer closed the connection at once")
        return transport, handoff.received

    async def _secure(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        session: ssl.SSLSession | None,
        handoff: HandoffProtocol,
    ) -> TlsTransport:
        """Return a connection whose peer has proved who it is."""
        began_ns = monotonic_ns()
        tls = TlsTransport(context, self._server_name, session, handoff)
        try:
            await self._loop.create_connection(lambda: tls, sock=sock)
            await tls.ready
        except HandshakeError as error:
            raise OpeningError("tls", str(error)) from error
        except BaseException:
            tls.abort()
            raise
        if self._http2 and tls.application_protocol != "h2":
            tls.abort()
            raise OpeningError("tls", NO_HTTP2)
        self._phases.tls.record((monotonic_ns() - began_ns) // 1000)
        self.resumed += tls.resumed
        return tls

    async def _connect(self) -> socket.socket:
        failure: OSError | None = None
        order = self._order()
        for address in order:
            sock: socket.socket | None = None
            try:
                sock = socket.socket(address.family, socket.SOCK_STREAM)
                sock.settimeout(0)  # never block the loop
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # A network that swallows packets to one address must not hide the next.
                async with asyncio.timeout(None if address == order[-1] else _PATIENCE_S):
                    await self._loop.sock_connect(sock, address.place())
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
                self._away_until_ns[address] = monotonic_ns() + _AWAY_NS
            except BaseException:
                if sock is not None:
                    sock.close()
                raise
            else:
                self._away_until_ns[address] = 0
                self.opened[address.host] += 1
                return sock
        raise OpeningError("connect", describe(failure) if failure else "no address") from failure

    def _order(self) -> list[Address]:
        """Return all addresses, the one whose turn it is first."""
        addresses = self._addresses
        if len(addresses) == 1:
            return addresses
        preferred = [one for one in addresses if one.family == addresses[0].family]
        at = self._turn % len(preferred)
        self._turn += 1
        turned = [*preferred[at:], *preferred[:at], *addresses[len(preferred) :]]
        now_ns = monotonic_ns()
        # Stable: those that could be reached keep their order, before those that could not.
        return sorted(turned, key=lambda one: self._away_until_ns[one] > now_ns)
