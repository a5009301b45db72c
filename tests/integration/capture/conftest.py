"""A running target for capture tests."""

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from fake_target import FakeTarget, handler_of


@pytest.fixture
def target() -> Iterator[FakeTarget]:
    """A running target on a free port."""
    fake = FakeTarget()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(fake))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()
