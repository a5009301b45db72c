"""Whether a database can be reached, for commands: asked once, answered in one line."""

from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from enforcement.domain.errors import EnforcementError
from enforcement.exits import CommandError, Exit
from enforcement.store.errors import classify

CONNECT_TIMEOUT_S: Final = 5


def demand_readable(dsn: str) -> None:
    """Parse a connection string, and never quote it.

    Raises:
        CommandError: It is none.
    """
    try:
        conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise CommandError(
            Exit.USAGE,
            "the DSN cannot be parsed (it is not shown: it may hold a password)",
            hint="Expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or key=value pairs.",
        ) from None


def demand_reachable(dsn: str) -> None:
    """Connect once, for the cause: a pool would only say that no connection came.

    Raises:
        CommandError: The database cannot be reached.
    """
    demand_readable(dsn)
    try:
        psycopg.connect(dsn, connect_timeout=CONNECT_TIMEOUT_S).close()
    except psycopg.Error as error:
        raise unreachable(classify(error, committing=False, cut=False)) from error


def unreachable(error: EnforcementError) -> CommandError:
    """Say what the database refused, without its connection string."""
    return CommandError(
        Exit.TARGET,
        f"the database refuses: {error.detail.splitlines()[0]}",
        hint=error.hint or "Check --dsn and whether that server runs; a role may need more rights.",
    )
