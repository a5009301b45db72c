"""The program that the README shows: a capture, judged, in fifteen lines."""

import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).resolve().parents[3]
_SECTION = re.compile(r"^#+ From Python\n(?:.*?)```python\n(.*?)```", re.DOTALL | re.MULTILINE)


class Orders(BaseHTTPRequestHandler):
    """A service that has one page and says nothing of itself."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # the server's own name
        """Answer /orders, and nothing else."""
        known = self.path == "/orders"
        body = b'{"orders": []}' if known else b""
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.asked.add(self.path)  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def service() -> Iterator[ThreadingHTTPServer]:
    """The service on a free port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Orders) as server:
        server.asked = set()  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def programs() -> list[str]:
    """Every program under the heading, wherever the documents show it."""
    pages = [ROOT / "README.md", ROOT / "docs" / "python.md"]
    return [found for page in pages for found in _SECTION.findall(page.read_text())]


def test_the_program_of_the_readme_works(service: ThreadingHTTPServer, tmp_path: Path) -> None:
    """It loads a service that nobody knows, and every rule holds on what it measured."""
    (program,) = set(programs())
    lines = [line for line in program.splitlines() if line.strip()]
    assert len(lines) <= 15
    port = service.server_address[1]
    ended = subprocess.run(
        [sys.executable, "-c", program.replace(":8000", f":{port}")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "pass recomputed"), ended.stderr
    assert service.asked == {"/orders"}  # type: ignore[attr-defined]
