"""An HTTP server behind the fault proxy: each way that HTTP/1.1 frames a body, on real sockets."""

import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

BIG = bytes(range(256)) * 16_384
"""Four MiB, which no buffer of the proxy holds."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet, or each answer costs a delayed acknowledgement
    seen: ClassVar[list[tuple[str, str, bytes]]]

    def handle_expect_100(self) -> bool:
        """Say to continue at once."""
        go_on = super().handle_expect_100()
        self.wfile.flush()
        return go_on

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self) -> None:
        body = self._body()
        self.seen.append((self.command, self.path, body))
        match self.path.partition("?")[0]:
            case "/chunked":
                self._send(
                    {"transfer-encoding": "chunked"}, b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
                )
            case "/until-close":
                self._send({"connection": "close"}, b"hello world")
            case "/host":
                text = self.headers["host"].encode()
                self._send({"content-length": str(len(text))}, text)
            case "/empty":
                self.send_response(204)
                self.end_headers()
            case "/big":
                self._send({"content-length": str(len(BIG))}, BIG)
            case "/echo":
                self._send({"content-length": str(len(body))}, body)
            case _:
                text = f"{self.command} {self.path}".encode()
                self._send({"content-length": str(len(text))}, text)

    def _send(self, fields: dict[str, str], body: bytes) -> None:
        self.send_response(200)
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _answer  # noqa: N815  # http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that faults reset."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Upstream:
    """A running server.

    Attributes:
        address: Where it listens.
        seen: Method, path and body of each request that reached it.
    """

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.seen: list[tuple[str, str, bytes]] = []
        handler = type("Handler", (_Handler,), {"seen": self.seen})
        self._server = _Server(("127.0.0.1", 0), handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.address: tuple[str, int] = ("127.0.0.1", self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def paths(self) -> list[str]:
        """Return which paths were asked for."""
        return [path for _, path, _ in self.seen]

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def http_upstream(tls: ssl.SSLContext | None = None) -> Iterator[Upstream]:
    """Yield a running server, under TLS where it is given how."""
    server = Upstream(tls)
    try:
        yield server
    finally:
        server.close()
