"""The control API on a socket: HTTP/1.1 for programs on this machine, and for no browser.

A page in a browser may send requests to this machine too: they carry an ``Origin``, or as ``Host``
the name of the page's own server, where that was made to lead here (DNS rebinding). Both are
refused, and so is whoever calls itself a browser, as toxiproxy does.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any, Final

from stressproof.errors import RunError, UsageError
from stressproof.failures.loopback import require_loopback
from stressproof.faults.proxy.addresses import Address
from stressproof.faults.proxy.control_api import ControlApi
from stressproof.faults.proxy.http_messages import (
    REQUEST_BEGINS,
    MessageReader,
    RequestHead,
    parse_request,
)
from stressproof.load.http1 import CHUNKED, MalformedAnswerError, fields_of

_MOST_BYTES: Final = 1 << 20
_MOST_CONNECTIONS: Final = 64
_IDLE_S: Final = 60.0


class ControlServer:
    """Listens, and answers one request of each connection after the other.

    Args:
        api: What answers.
    """

    def __init__(self, api: ControlApi) -> None:
        self.api = api
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, listen: Address) -> Address:
        """Listen, and return where.

        Raises:
            RunError: The address cannot be had.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Connection(self), *listen)
        except OSError as error:
            raise RunError(
                f"the control API cannot listen on {listen}: {error.strerror}",
                hint="Give it another address: --api 127.0.0.1:0 takes a free port.",
            ) from error
        return Address(*self._server.sockets[0].getsockname()[:2])

    async def close(self) -> None:
        """Stop listening, and end every connection."""
        if self._server is not None:
            self._server.close()
        for one in list(self.connections):
            one.close()


class _Connection(asyncio.Protocol):
    """One client of the API."""

    def __init__(self, server: ControlServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._reader = MessageReader(self._parse, REQUEST_BEGINS)
        self._request: RequestHead | None = None
        self._refused: tuple[int, str] | None = None
        self._body = bytearray()
        self._idle: asyncio.TimerHandle | None = None
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it, unless there are too many."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        if len(self._server.connections) >= _MOST_CONNECTIONS:
            self.close()
            return
        self._server.connections.add(self)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        del exc
        self._server.connections.discard(self)
        if self._idle is not None:
            self._idle.cancel()

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Read requests."""
        self._reader.feed(data)
        if self._reader.buffered > 2 * _MOST_BYTES:
            self.close()  # it sends request after request, and waits for no answer
        elif self._answering is None:
            self._read()

    def _wait(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(_IDLE_S, self.close)

    def _parse(self, block: bytes) -> int:
        self._request = parse_request(block)
        self._refused = _refusal(self._request, fields_of(block))
        return self._request.length

    def _read(self) -> None:
        try:
            while (part := self._reader.next()) is not None:
                if part.kind == "body":
                    self._body += part.data
                elif part.kind == "head" and not self._welcome():
                    return
                elif part.kind == "end":
                    self._answering = asyncio.ensure_future(self._answer())
                    return
        except MalformedAnswerError as error:
            self._write(400, {"error": str(error), "status": 400}, keep_alive=False)

    def _welcome(self) -> bool:
        """Refuse a request by its head, or have its body sent."""
        request = self._request
        if request is None:
            return False
        if self._refused is not None:
            status, words = self._refused
            self._write(status, {"error": words, "status": status}, keep_alive=False)
            return False
        if request.expects_continue and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    async def _answer(self) -> None:
        request, body = self._request, bytes(self._body)
        self._body.clear()
        if request is None:
            return
        status, value = await self._server.api.reply(request.method, request.path, body)
        self._write(status, value, keep_alive=request.keep_alive)
        self._answering = None
        self._reader.begin()
        self._wait()
        self._read()

    def _write(self, status: int, value: Any, *, keep_alive: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        body = b"" if value is None else json.dumps(value).encode()
        fields = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        if value is not None:
            fields += ["content-type: application/json", f"content-length: {len(body)}"]
        if not keep_alive:
            fields.append("connection: close")
        self._transport.write("\r\n".join([*fields, "", ""]).encode("ascii") + body)
        if not keep_alive:
            self._transport.close()


def _refusal(request: RequestHead, fields: list[tuple[bytes, bytes]]) -> tuple[int, str] | None:
    """Return why a request is not answered: who asks, or how."""
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        found.setdefault(name.lower(), value)
    if found.get(b"user-agent", b"").startswith(b"Mozilla/"):
        return 403, "User agent not allowed"
    if b"origin" in found:
        return 403, "requests of web pages are not answered (Origin)"
    host = found.get(b"host", b"").decode("latin-1")
    if not _is_here(host):
        return 403, f"Host is {host[:80]!r}, expected this machine's loopback"
    if request.length == CHUNKED:
        return 411, "send the body with its length"
    if request.length > _MOST_BYTES:
        return 413, f"a body of {request.length} bytes, expected {_MOST_BYTES} at most"
    return None


def _is_here(host: str) -> bool:
    """Return whether a Host field names this machine."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        require_loopback(name)
    except UsageError:
        return False
    return True
