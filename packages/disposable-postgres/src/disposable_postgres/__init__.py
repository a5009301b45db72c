"""A PostgreSQL server as a direct child process, disposable and crash-testable."""

from disposable_postgres.binaries import BIN_VARIABLE, Binaries, find_binaries
from disposable_postgres.connection import connect, without_libpq_variables
from disposable_postgres.errors import PostgresError
from disposable_postgres.server import MARKER, PostgresServer

__all__ = [
    "BIN_VARIABLE",
    "MARKER",
    "Binaries",
    "PostgresError",
    "PostgresServer",
    "connect",
    "find_binaries",
    "without_libpq_variables",
]
