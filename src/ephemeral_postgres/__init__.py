"""A PostgreSQL server as a direct child process, disposable and crash-testable."""

from ephemeral_postgres.binaries import BIN_VARIABLE, Binaries, find_binaries
from ephemeral_postgres.errors import PostgresError
from ephemeral_postgres.server import MARKER, PostgresServer

__all__ = [
    "BIN_VARIABLE",
    "MARKER",
    "Binaries",
    "PostgresError",
    "PostgresServer",
    "find_binaries",
]
