"""Servers to measure against: nginx (TLS and HTTP/2 too), a minimal one in C, known delays."""

import contextlib
import heapq
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
BODY = json.dumps(
    {"parity_ok": True, "items": [{"id": n, "value": "abcdefgh"} for n in range(25)]}
).encode()[:1024]
CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, CLIENT_CPU = CPUS[0], CPUS[-1]
READY_S = 20.0

_NGINX = """
worker_processes 1; daemon off; master_process off; pid {room}/pid; error_log {room}/error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
  client_body_temp_path {room}/a; proxy_temp_path {room}/b; fastcgi_temp_path {room}/c;
  uwsgi_temp_path {room}/d; scgi_temp_path {room}/e;
  server {{
    listen 127.0.0.1:{port} backlog=4096{listen};
    {tls}
    {carts}
    location / {{ default_type application/json; return 200 '{body}'; }}
  }}
}}
"""

_CARTS = """
    location = /carts { default_type application/json; return 201 '{"id": "$request_id"}'; }
    location /carts/ { default_type application/json; return 200 '{"id": "$request_id"}'; }
"""

_TLS = "ssl_certificate {file}; ssl_certificate_key {file}; ssl_session_cache shared:tls:1m;"


def pinned(command: list[str], cpu: int) -> list[str]:
    """Return a command that runs on one CPU, where that can be had."""
    if len(CPUS) < 2 or shutil.which("taskset") is None:  # noqa: PLR2004  # one each, or none
        return command
    return ["taskset", "-c", str(cpu), *command]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Running(NamedTuple):
    """A server that accepts connections; ``ca_file`` vouches for it where it speaks TLS."""

    url: str
    pid: int
    ca_file: str | None = None
    http2: bool = False


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[Running]:
    """Run a server until the block ends; yields it once it accepts."""
    process = subprocess.Popen(
        pinned(command, SERVER_CPU), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + READY_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.05)
        yield Running(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def server(kind: str) -> Iterator[Running]:
    """Run ``nginx`` (or with ``-tls``, ``-http2``, ``-carts``), ``minimal`` (C) or ``delays``."""
    port = free_port()
    with tempfile.TemporaryDirectory() as room:
        secure, http2 = kind in {"nginx-tls", "nginx-http2"}, kind == "nginx-http2"
        certificate = Path(room) / "certificate.pem"
        if secure:
            _certify(certificate)
        if kind.startswith("nginx"):
            config = Path(room) / "nginx.conf"
            config.write_text(
                _NGINX.format(
                    room=room,
                    port=port,
                    body=BODY.decode(),
                    listen=(" ssl" if secure else "") + (" http2" if http2 else ""),
                    carts=_CARTS if kind == "nginx-carts" else "",
                    tls=_TLS.format(file=certificate) if secure else "",
                )
            )
            command = ["nginx", "-c", str(config)]
        elif kind == "minimal":
            binary = Path(room) / "minimal_server"
            subprocess.run(
                ["cc", "-O2", "-o", str(binary), str(HERE / "minimal_server.c")], check=True
            )
            command = [str(binary), str(port)]
        else:
            command = [sys.executable, str(Path(__file__)), str(port)]
        with running(command, port) as one:
            if secure:
                url = f"https://localhost:{port}"
                one = Running(url, one.pid, str(certificate), http2)  # noqa: PLW2901
            yield one


def _certify(file: Path) -> None:
    """Make a certificate for localhost that vouches for itself, its key in the same file."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", str(file), "-out", f"{file}.c"),
        ],
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + Path(f"{file}.c").read_text())


def available(kinds: list[str]) -> list[str]:
    """Return those servers that can be run here."""
    needs = {
        "nginx": "nginx",
        "nginx-tls": "nginx",
        "nginx-http2": "nginx",
        "nginx-carts": "nginx",
        "minimal": "cc",
    }
    return [kind for kind in kinds if kind not in needs or shutil.which(needs[kind])]


BASE_S, SLOW_S, SLOW_SHARE = 0.020, 0.200, 66  # every 66th request is slow: 1.5 %
STALL_AT, STALL_S = 0.5, 1.0  # at which share of a run it stalls, and for how long
_SPIN_S = 0.0015  # epoll would round a shorter wait up


def delay_s(number: int) -> float:
    """Return how long the server takes for its request number so-and-so."""
    return SLOW_S if number % SLOW_SHARE == SLOW_SHARE // 2 else BASE_S


class DelayServer:
    """Answers each request after a known delay, and stalls as a whole for a known time.

    Event loops keep time to the millisecond; this one waits on epoll to the last millisecond and
    then looks at the clock, so its delays are right to some ten microseconds.
    """

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.settimeout(0)
        self._epoll = select.epoll()
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._sockets: dict[int, socket.socket] = {}
        self._due: list[tuple[float, int]] = []
        self._number = 0
        self._run_s = 20.0
        self._first_s = 0.0
        self._answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        self._answer += b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)

    def serve(self) -> None:
        """Serve until killed."""
        while True:
            wait_s = self._due[0][0] - time.monotonic() if self._due else 1.0
            for fd, _ in self._epoll.poll(wait_s - 0.001 if wait_s > _SPIN_S else 0):
                if fd == self._listener.fileno():
                    self._accept()
                else:
                    self._read(fd)
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                _, fd = heapq.heappop(self._due)
                with contextlib.suppress(OSError, KeyError):
                    self._sockets[fd].send(self._answer)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = self._listener.accept()
                sock.settimeout(0)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets[sock.fileno()] = sock
                self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _read(self, fd: int) -> None:
        try:
            data = self._sockets[fd].recv(65536)
        except OSError:
            data = b""
        if not data:
            self._epoll.unregister(fd)
            self._sockets.pop(fd).close()
            return
        now = time.monotonic()
        if data.startswith(b"GET /begin/"):  # a new run of so many seconds
            self._run_s, self._number, self._first_s = float(data.split(b"/")[2].split()[0]), 0, 0.0
            heapq.heappush(self._due, (now, fd))
            return
        for _ in range(data.count(b"\r\n\r\n")):
            self._first_s = self._first_s or now
            stalls = self._first_s + self._run_s * STALL_AT
            held = max(now, stalls + STALL_S) if now >= stalls and now < stalls + STALL_S else now
            due = held + delay_s(self._number)
            # What is under way when the stall begins is held up by it as well.
            if now < stalls <= due < stalls + STALL_S:
                due = stalls + STALL_S
            heapq.heappush(self._due, (due, fd))
            self._number += 1


if __name__ == "__main__":
    DelayServer(int(sys.argv[1])).serve()
