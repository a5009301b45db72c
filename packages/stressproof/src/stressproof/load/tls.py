"""TLS by hand: an `ssl.SSLObject` and two memory BIOs over a plain transport.

An event loop's own TLS puts a second protocol with flow control of its own between socket and
reader, and spends several times as long on a request as the cipher does.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from stressproof.load.socket_errors import describe

_RECORD_BYTES = 16_384  # no record holds more, and a read returns one at most


class TruncatedError(ConnectionError):
    """The peer closed the connection without saying that nothing was missing (close_notify)."""


class TlsError(ConnectionError):
    """The peer broke TLS, or ended it with an alert."""


class HandshakeError(Exception):
    """The handshake failed; the message says why."""


class TlsTransport(asyncio.Protocol):
    """A transport of plain bytes, which is the protocol of one of ciphertext.

    Args:
        context: How the peer is verified.
        server_name: Whom to ask for.
        session: An earlier connection's, to be resumed where the peer will.
        protocol: Whom to tell of plain bytes, until `set_protocol` names another.

    Attributes:
        ready: Done once the handshake is; its exception is a `HandshakeError`.
    """

    __slots__ = (
        "_clean",
        "_deliver",
        "_incoming",
        "_object",
        "_outgoing",
        "_protocol",
        "_raw",
        "ready",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        server_name: str,
        session: ssl.SSLSession | None,
        protocol: asyncio.Protocol,
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=server_name, session=session
        )
        self._raw: asyncio.Transport | None = None
        self._clean = False
        self._deliver: Callable[[bytes], None]
        self.set_protocol(protocol)
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def session(self) -> ssl.SSLSession | None:
        """What a later connection may resume, where the peer has offered that by now."""
        session = self._object.session
        return session if session is not None and session.has_ticket else None

    @property
    def resumed(self) -> bool:
        """Whether the handshake resumed an earlier session."""
        return bool(self._object.session_reused)

    @property
    def application_protocol(self) -> str | None:
        """What ALPN agreed on."""
        return self._object.selected_alpn_protocol()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Tell somebody else from now on."""
        if not isinstance(protocol, asyncio.Protocol):
            raise TypeError(f"{protocol!r} does not take bytes")
        self._protocol = protocol
        self._deliver = protocol.data_received

    def write(self, data: bytes) -> None:
        """Send plain bytes."""
        if self._raw is not None:
            self._object.write(data)
            self._raw.write(self._outgoing.read())

    def abort(self) -> None:
        """Close at once, without another word."""
        if self._raw is not None:
            self._raw.abort()

    def is_closing(self) -> bool:
        """Return whether nothing can be sent any more."""
        return self._raw is None or self._raw.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._raw = cast("asyncio.Transport", transport)  # uvloop's do not derive from it
        self._shake()

    def data_received(self, data: bytes) -> None:
        """Decrypt, and hand over what came out."""
        self._incoming.write(data)
        if not self.ready.done():
            self._shake()
            if not self.ready.done() or not self._incoming.pending:
                return
        try:
            plain = self._object.read(_RECORD_BYTES)
            if not plain:
                self._clean = True
            elif self._incoming.pending:
                plain += self._rest()
        except ssl.SSLWantReadError:
            plain = b""  # part of a record, or one that is not for us: a ticket, a new key
        except ssl.SSLError as error:
            self._fail(error)
            return
        if self._outgoing.pending and self._raw is not None:
            self._raw.write(self._outgoing.read())
        if plain:
            self._deliver(plain)
        if self._clean and self._raw is not None:
            self._raw.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the end on; one that the peer did not announce is no clean one."""
        self._raw = None
        if not self.ready.done():
            why = "closed" if exc is None else str(exc)
            self.ready.set_exception(HandshakeError(f"the connection was {why} in the handshake"))
        elif not self.ready.cancelled() and self.ready.exception() is None:
            if exc is None and not self._clean:
                exc = TruncatedError("closed without close_notify")
            self._protocol.connection_lost(exc)

    def _rest(self) -> bytes:
        """Return what further records hold; a record that is not whole waits for its rest."""
        pieces = []
        try:
            while self._incoming.pending:
                piece = self._object.read(_RECORD_BYTES)
                if not piece:
                    self._clean = True
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        return b"".join(pieces)

    def _shake(self) -> None:
        failure: OSError | ValueError | None = None
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLError, ssl.CertificateError) as error:
            failure = error
        else:
            self.ready.set_result(None)
        if self._raw is None:
            return
        if self._outgoing.pending:  # an alert, where it failed
            self._raw.write(self._outgoing.read())
        if failure is not None and not self.ready.done():
            self.ready.set_exception(HandshakeError(describe(failure)))
            self._raw.close()

    def _fail(self, error: ssl.SSLError) -> None:
        """End a connection whose peer broke TLS, an alert included."""
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.set_protocol(asyncio.Protocol())
            raw.abort()
        self._protocol.connection_lost(TlsError(f"ended by TLS: {describe(error)}"))
