"""A shop over real sockets, as somebody else would have written it: nothing of it is ours."""

import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

API_KEY = "s3cret-shop-key"


class Shop:
    """What the shop has seen.

    Attributes:
        url: Where it listens.
        served: Requests by method and path.
        bodies: Bodies of orders, with their content types.
        headers: Headers of the last request, by lower-case name.
        redirects: Where paths lead, with status 302.
        held: Set once a request waits that is not answered (`hold`).
        pages: What a method and path are answered beside orders; a test may add some.
    """

    def __init__(self) -> None:
        self.url = ""
        self.served: Counter[str] = Counter()
        self.bodies: list[tuple[str, bytes]] = []
        self.headers: dict[str, str] = {}
        self.pages = dict(_PAGES)
        self.redirects: dict[str, str] = {}
        self.held = threading.Event()
        self._holding = ""
        self._released = threading.Event()
        self._asked_at_s = 0.0
        self.lock = threading.Lock()

    def hold(self, request: str) -> None:
        """Leave requests of a method and path without an answer; ``held`` says that one waits."""
        self._holding = request

    def release(self) -> None:
        """Answer them."""
        self._released.set()

    def quiet_for(self, seconds: float) -> bool:
        """Whether nothing has been asked for so long."""
        return time.monotonic() - self._asked_at_s > seconds

    def answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, str, bytes]:
        """Return status, content type and body of an answer."""
        route = path.partition("?")[0]
        with self.lock:
            self.served[f"{method} {route}"] += 1
            self.headers = headers
            self._asked_at_s = time.monotonic()
        if f"{method} {route}" == self._holding:
            self.held.set()
            self._released.wait(60)
        if route == "/orders":
            return self.order(method, headers, body)
        if (method, route) == ("GET", "/me"):
            known = headers.get("authorization", "").startswith("Bearer ")
            return _json(200 if known else 401, {"you": headers.get("authorization")})
        return self.pages.get(f"{method} {route}") or _json(404, {"error": "nothing here"})

    def order(self, method: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        """Return what an order is answered."""
        if headers.get("x-api-key") != API_KEY:
            return _json(401, {"error": "no key", "got": headers.get("x-api-key")})
        if method != "POST":
            return _json(405, {"error": "orders are posted"})
        with self.lock:
            self.bodies.append((headers.get("content-type", ""), body))
        return _json(201, {"id": 7, "state": "open"})


def _json(status: int, document: Any) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(document).encode()


_PAGES = {
    "GET /": (200, "text/html", b"<html><h1>Shop</h1></html>"),
    "GET /catalog": _json(200, {"items": 2, "currency": "EUR"}),
    "DELETE /carts": (204, "", b""),
}


def _handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, kind, content = shop.answer(self.command, self.path, headers, body)
            leads_to = shop.redirects.get(self.path)
            self.send_response(302 if leads_to else status)
            if leads_to:
                self.send_header("location", leads_to)
            if kind:
                self.send_header("content-type", kind)
            if content:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def running_shop(tls: ssl.SSLContext | None = None) -> Iterator[Shop]:
    """A shop that serves until the end of the block, over TLS where it has a context."""
    shop = Shop()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(shop))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    scheme = "http"
    if tls is not None:
        scheme, server.socket = "https", tls.wrap_socket(server.socket, server_side=True)
    shop.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
