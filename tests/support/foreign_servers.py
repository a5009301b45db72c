"""Servers that are nobody's of ours, to be loaded: nginx, and one of bare sockets."""

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from loop_server import LoopServer

_NGINX = """
worker_processes 1;
daemon off;
error_log stderr crit;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log off;
    {temporary}
    limit_req_zone $server_port zone=few:1m rate=5r/s;
    limit_req_status 429;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{http2} http2;
        location = /limited {{ limit_req zone=few; return 200 "few"; }}
        location = /moved {{ return 302 /; }}
        location = /broken {{ return 500; }}
        location / {{ return 200 "nginx"; }}
    }}
}}
"""
_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running_nginx(folder: Path) -> Iterator[tuple[str, str]]:
    """An nginx until the end of the block: where it speaks HTTP/1.1, and where HTTP/2.

    It refuses more than five requests a second to ``/limited`` with 429, redirects ``/moved`` and
    fails at ``/broken``.
    """
    plain, http2 = free_port(), free_port()
    temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in _FOLDERS)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _NGINX.format(folder=folder, plain=plain, http2=http2, temporary=temporary)
    )
    process = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(configuration)])
    try:
        _wait_for(plain)
        yield f"http://127.0.0.1:{plain}", f"http://127.0.0.1:{http2}"
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


_ANSWERS = {
    "/broken": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "/denied": b"HTTP/1.1 999 Request denied\r\nContent-Length: 0\r\n\r\n",
    "/nonsense": b"SMTP ready\r\n\r\n",
}
_GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbare"
_HALF_S = 0.3


class BareServer(LoopServer):
    """A server of bare sockets, which knows no page about itself.

    It fails at ``/broken`` and ``/denied``, breaks connections of ``/half`` for half of the time
    and of ``/reset`` always, speaks no HTTP at ``/nonsense``, takes its time at ``/slow``, and
    fails three times at ``/waking`` before it does not.
    """

    waking = 3

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    async def listen(self) -> asyncio.Server:
        """Return the server."""
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._answered(await reader.readuntil(b"\r\n\r\n"), writer):
                await writer.drain()
        writer.close()

    async def _answered(self, head: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answer a request, and return whether the connection goes on."""
        path = head.split(b" ", 2)[1].decode().partition("?")[0]
        down = path == "/half" and time.monotonic() % (2 * _HALF_S) < _HALF_S
        if down or path == "/reset":
            return False
        if path == "/slow":
            await asyncio.sleep(0.4)
        if path == "/waking" and self.waking:
            self.waking -= 1
            path = "/broken"
        writer.write(_ANSWERS.get(path, _GOOD))
        return True


@contextlib.contextmanager
def running_bare_server() -> Iterator[str]:
    """A `BareServer` until the end of the block: where it is."""
    server = BareServer()
    try:
        yield server.url
    finally:
        server.stop()
