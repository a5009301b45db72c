"""One request at a time and nothing else meanwhile: for preflight, probes and preparation.

It is the generator's client without the event loop: the same addresses, the same verification, the
same bytes sent and the same reader of answers, so that what passes here behaves alike under load.
"""

import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from stressproof.errors import TargetError
from stressproof.flow.answer import Fields, by_name
from stressproof.load import hpack_stateless, http1
from stressproof.load.addresses import NO_HTTP2, Address, resolve, server_name, tls_context
from stressproof.load.composing import Message, compose
from stressproof.load.hpack_stateless import HeaderBlockError
from stressproof.load.http1 import AnswerReader, HeadCache, MalformedAnswerError
from stressproof.load.http2 import NO_HEAD, Session
from stressproof.load.http2_frames import Http2Error
from stressproof.load.requests import PreparedEndpoint
from stressproof.load.socket_errors import describe
from stressproof.load.unique_values import UniqueValues
from stressproof.load.values import values_for
from stressproof.workload.bodies import CompiledBody
from stressproof.workload.target import Target
from stressproof.workload.templates import Template

MAX_BODY_BYTES = 64 * 1024 * 1024
_READ_BYTES = 65_536


class RequestError(Exception):
    """There was no answer.

    Attributes:
        outcome: As the generator counts it: ``connect``, ``tls``, ``timeout``, ``reset`` or
            ``protocol``.
    """

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.outcome = outcome


class Answer(NamedTuple):
    """A whole answer.

    Attributes:
        status: Status code.
        headers: By lower-case name; of a name that came twice both values, after a comma.
        body: As it was sent, whatever its coding.
        fields: Its header fields as they came.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    fields: Fields = []  # noqa: RUF012  # never added to

    @property
    def text(self) -> str:
        """The body as UTF-8, what is none replaced."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            ValueError: It is none.
        """
        return msgspec.json.decode(self.body)


class Client:
    """Asks one target; every request has a connection of its own, so threads may share it.

    Args:
        target: Whom to ask; its headers go with every request.
        timeout_s: For one request from connecting to the last byte, where it has none of its own.

    Raises:
        UsageError: A file of certificates cannot be used.
    """

    def __init__(self, target: Target, *, timeout_s: float = 10.0) -> None:
        self.target = target
        self._timeout_s = timeout_s
        self._context = tls_context(target)
        self._addresses: Sequence[Address] | None = None

    def get(self, path: str) -> Answer:
        """Ask for a path.

        Raises:
            RequestError: There was no answer.
        """
        return self.request("GET", path)

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Send a request and return its answer, a redirect like any other.

        Args:
            method: In capitals.
            path: Path and query after the target's base path, sent as they are.
            headers: Beside the target's, and instead of those of the same name.
            body: None for none.
            timeout_s: Instead of the client's own.

        Raises:
            RequestError: There was no answer.
            UsageError: A header would break the request.
        """
        url = Template([path.encode("latin-1")])
        content = None if body is None else CompiledBody(Template([body]), "application/json")
        request = compose(self.target, method, url, (headers or {},), content)
        sent = request.message(values_for(request.needs, UniqueValues(0, 1), {}))
        return self._send(sent, timeout_s, bodyless=method == "HEAD")

    def ask(self, endpoint: PreparedEndpoint, *, timeout_s: float | None = None) -> Answer:
        """Send an endpoint's next request, as the load would, and return its answer.

        Raises:
            RequestError: There was no answer.
        """
        return self.send(next(endpoint.messages), timeout_s=timeout_s, bodyless=endpoint.bodyless)

    def send(
        self, message: Message, *, timeout_s: float | None = None, bodyless: bool = False
    ) -> Answer:
        """Send a request as it is and return its answer.

        Raises:
            RequestError: There was no answer.
        """
        return self._send(message, timeout_s, bodyless=bodyless)

    def _send(self, request: Message, timeout_s: float | None, *, bodyless: bool) -> Answer:
        """Send a request, header block and body of which are apart for HTTP/2."""
        deadline = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        sock = self._open(deadline)
        try:
            if isinstance(request, bytes):
                return _ask_http1(sock, request, deadline, bodyless=bodyless)
            return _ask_http2(sock, request, deadline, bodyless=bodyless)
        except (MalformedAnswerError, Http2Error, HeaderBlockError) as error:
            raise RequestError("protocol", str(error)) from error
        except TimeoutError as error:
            raise RequestError("timeout", "no whole answer in time") from error
        except OSError as error:
            raise RequestError(_outcome(error), describe(error)) from error
        finally:
            sock.close()

    def _open(self, deadline: float) -> socket.socket:
        sock = self._connect(deadline)
        if self._context is None:
            return sock
        try:
            _wait(sock, deadline)
            secure = self._context.wrap_socket(
                sock, server_hostname=server_name(self.target), suppress_ragged_eofs=False
            )
        except TimeoutError as error:
            sock.close()
            raise RequestError("timeout", "no TLS handshake in time") from error
        except (OSError, ValueError) as error:
            sock.close()
            raise RequestError("tls", describe(error)) from error
        if self.target.http2 and secure.selected_alpn_protocol() != "h2":
            secure.close()
            raise RequestError("tls", NO_HTTP2)
        return secure

    def _connect(self, deadline: float) -> socket.socket:
        if self._addresses is None:
            try:
                self._addresses = resolve(self.target)
            except TargetError as error:
                raise RequestError("connect", error.message) from error
        failure: OSError | None = None
        for left, address in zip(range(len(self._addresses), 0, -1), self._addresses, strict=True):
            sock = socket.socket(address.family, socket.SOCK_STREAM)
            try:
                # A network that swallows packets to one address must not hide the next.
                _wait(sock, time.monotonic() + (deadline - time.monotonic()) / left)
                sock.connect(address.place())
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        if isinstance(failure, TimeoutError):
            raise RequestError("timeout", "no connection in time") from failure
        why = "it has no address" if failure is None else describe(failure)
        raise RequestError("connect", why) from failure


def _ask_http1(sock: socket.socket, request: bytes, deadline: float, *, bodyless: bool) -> Answer:
    heads = HeadCache(bodyless=bodyless, keep=MAX_BODY_BYTES)
    reader = AnswerReader(heads)
    _wait(sock, deadline)
    sock.sendall(request)
    head = None
    while head is None:
        _wait(sock, deadline)
        data = sock.recv(_READ_BYTES)
        head = reader.feed(data) if data else reader.end()
        if head is None and not data:
            when = "before an answer" if reader.fresh else "within an answer"
            raise RequestError("reset", f"the connection was closed {when}")
    if reader.body_bytes > len(reader.body):
        raise RequestError("protocol", f"{reader.body_bytes} bytes of body are too many")
    fields = http1.fields_of(head.block)
    return Answer(head.status, by_name(fields), reader.body, fields)


class _Requester:
    """Who asks over HTTP/2 and waits."""

    def __init__(self, *, bodyless: bool) -> None:
        self.bodyless = bodyless
        self.head = NO_HEAD
        self.body_bytes = self.unread = 0
        self.body = bytearray()
        self.done = False

    def piece(self, data: bytes) -> None:
        self.body += data
        if len(self.body) > MAX_BODY_BYTES:
            raise Http2Error(f"{len(self.body)} bytes of body are too many")

    def complete(self, data: bytes) -> None:
        self.piece(data)
        self.done = True

    def failed(self, outcome: str, detail: str) -> None:
        raise RequestError(outcome, detail)

    def unanswered(self) -> None:
        raise RequestError("reset", "the server did not look at the request")


def _ask_http2(
    sock: socket.socket, stream: tuple[bytes, bytes], deadline: float, *, bodyless: bool
) -> Answer:
    requester = _Requester(bodyless=bodyless)
    session = Session(sock.sendall)
    _wait(sock, deadline)
    session.start()
    while not requester.done:
        _wait(sock, deadline)
        data = sock.recv(_READ_BYTES)
        if not data:
            raise RequestError("reset", "the connection was closed before the answer's end")
        asked = session.usable
        session.receive(data)
        if session.usable and not asked:
            session.request(requester, *stream)
    fields = hpack_stateless.fields_of(requester.head.block)[1:]  # the first is the status
    return Answer(requester.head.status, by_name(fields), bytes(requester.body), fields)


def _outcome(error: OSError) -> str:
    """Return whether TLS ended a connection, or whoever was at its other end."""
    import ssl  # noqa: PLC0415  # four megabytes that plain HTTP does without

    ended = isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
    return "tls" if ended else "reset"


def _wait(sock: socket.socket, deadline: float) -> None:
    """Let the socket's next step take what is left of the time."""
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    sock.settimeout(left_s)
