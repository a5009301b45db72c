"""A small target over real sockets, whose behaviour a test can change while it runs."""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_AGREES = {"parity_ok": True, "decisions": 50}
Answer = tuple[int, dict[str, str], bytes]


def as_json(status: int, document: Any) -> Answer:
    """An answer with a JSON body."""
    return status, {"content-type": "application/json"}, json.dumps(document).encode()


class FakeTarget:
    """A service that says of itself what a test wants it to say, and counts what it is asked."""

    def __init__(self) -> None:
        self.instance_id = "instance-1"
        self.engine: str | None = "postgresql"
        self.token: str | None = None
        self.counting = True
        self.silent = False  # knows no page about itself
        self.answers: dict[str, Callable[[int], Answer]] = {}
        self.served: Counter[str] = Counter()
        self.answered: Counter[tuple[str, int]] = Counter()
        self.lock = threading.Lock()
        self.url = ""
        self.started_s = time.monotonic()

    def answer(self, path: str, authorization: str | None) -> Answer:
        """Return what a path answers, and count it."""
        route = path.partition("?")[0]
        answer = self._answer(route, authorization)
        if route in self.served:
            with self.lock:
                self.answered[route, answer[0]] += 1
        return answer

    def _answer(self, route: str, authorization: str | None) -> Answer:
        if self.silent and route in {"/metrics", "/health"}:
            return as_json(404, {"code": "not_found"})
        if route == "/metrics":
            return self.metrics()
        with self.lock:
            self.served[route] += 1
            number = self.served[route]
        if route == "/health":
            return self.health()
        if route == "/health/live":
            return self.answers.get(route, lambda _: as_json(200, {"status": "healthy"}))(number)
        if self.token is not None and authorization != f"Bearer {self.token}":
            return as_json(401, {"code": "invalid_token"})
        return self.answers.get(route, lambda _: as_json(200, _AGREES))(number)

    def health(self) -> Answer:
        """Return the health document; whatever was served took a transaction, and no entry."""
        with self.lock:
            committed = sum(self.served.values())
        database = {
            "status": "up",
            "engine": self.engine,
            "source": "db-query",
            "server_version": "18.4",
            "system_identifier": "7",
            "fsync": "on",
            "synchronous_commit": "on",
            "migration_head": "0001",
            "xact_commit": committed,
            "wal_lsn": 25_000_000 + committed,
            "latency_ms": 0.1,
        }
        build = {"version": "1", "git_commit": None, "git_dirty": None}
        return as_json(
            200,
            {
                "status": "healthy",
                "instance_id": self.instance_id,
                "build": build,
                "started_at": "2026-01-01T00:00:00+00:00",
                "uptime_seconds": time.monotonic() - self.started_s,
                "workers": 2,
                "database": database,
                "ledger": {"sequence": 5_000, "entry_hash": "5e" * 32},
                "unsafe": [],
            },
        )

    def metrics(self) -> Answer:
        """Return the counters in Prometheus text, by status as a real one has them."""
        if not self.counting:
            return as_json(404, {})
        lines = ["# TYPE http_server_requests_total counter"]
        with self.lock:
            lines += [
                f'http_server_requests_total{{http_request_method="GET",http_route="{route}",'
                f'http_response_status_code="{status}"}} {float(count)}'
                for (route, status), count in self.answered.items()
            ]
        return 200, {"content-type": "text/plain"}, "\n".join(lines).encode()


def handler_of(target: FakeTarget) -> type[BaseHTTPRequestHandler]:
    """Return a handler that lets a target answer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            status, headers, body = target.answer(self.path, self.headers.get("authorization"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
