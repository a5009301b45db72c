"""Connections to a server of one's own, whatever libpq's variables say about others."""

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

_PREFIX = "PG"
_guard = threading.Lock()
_connecting = 0
_put_aside: dict[str, str] = {}


@contextlib.contextmanager
def without_libpq_variables() -> Iterator[None]:
    """Take libpq's variables (``PGSSLMODE``, ``PGSERVICE``, …) out of our environment meanwhile.

    They fill in what a connection string leaves open, and some cannot be overruled by one. They
    are back once the last of the threads that do this has left.
    """
    global _connecting  # noqa: PLW0603  # the environment is one for all threads
    with _guard:
        if _connecting == 0:
            names = [name for name in os.environ if name.startswith(_PREFIX)]
            _put_aside.update({name: os.environ.pop(name) for name in names})
        _connecting += 1
    try:
        yield
    finally:
        with _guard:
            _connecting -= 1
            if _connecting == 0:
                os.environ.update(_put_aside)
                _put_aside.clear()


def connect(dsn: str, **options: Any) -> "psycopg.Connection[tuple[Any, ...]]":
    """Connect as the connection string alone says.

    Args:
        dsn: Of `PostgresServer.dsn`, say.
        **options: Of `psycopg.connect`.

    Raises:
        psycopg.Error: As `psycopg.connect` does.
    """
    import psycopg  # noqa: PLC0415  # a server can be run without a driver

    with without_libpq_variables():
        return psycopg.connect(dsn, **options)
