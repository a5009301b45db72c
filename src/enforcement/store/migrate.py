"""Bring a database to this code's schema. The only module that imports Alembic."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from enforcement.store.errors import EvaluationError, StoreError, UnavailableError
from enforcement.store.settings import APP_ROLE, OWNER_ROLE, SCHEMA

ADVISORY_LOCK: Final = 0x656E666F  # "enfo"
HEAD: Final = "0001"
_CONNECT_TIMEOUT_S: Final = 5
_ROLE_ATTEMPTS: Final = 20


def migrate(dsn: str, *, app_password: str) -> str:
    """Create or upgrade the schema, its roles and their privileges; safe to run in parallel.

    Args:
        dsn: Of a role that may create roles and schemas (the cluster's superuser will do).
        app_password: Login password of ``enforcement_app``, set on every run.

    Returns:
        The migration head now in place.

    Raises:
        StoreError: The database cannot be reached or refuses.
    """
    with (
        _refusals(),
        psycopg.connect(dsn, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S) as guard,
    ):
        # Held by the session: whoever comes second waits, and then finds nothing to do.
        guard.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
        _ensure_roles(guard, app_password)
        guard.execute(
            sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(
                sql.Identifier(SCHEMA), sql.Identifier(OWNER_ROLE)
            )
        )
        _upgrade(dsn)
        guard.execute(
            sql.SQL(
                "GRANT USAGE ON SCHEMA {0} TO {1}; GRANT SELECT ON {0}.alembic_version TO {1}"
            ).format(sql.Identifier(SCHEMA), sql.Identifier(APP_ROLE))
        )
        row = guard.execute("SELECT version_num FROM enforcement.alembic_version").fetchone()
        return str(row[0]) if row else ""


def app_dsn(dsn: str, app_password: str) -> str:
    """Return the DSN of the application role on the same server and database."""
    return make_conninfo(dsn, user=APP_ROLE, password=app_password)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what the driver and Alembic raise into the store's errors."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise UnavailableError(
            "database_unavailable",
            str(error).strip(),
            hint="Check that PostgreSQL runs there and that the DSN is right.",
        ) from error
    except psycopg.Error as error:
        raise EvaluationError(
            "migration_refused",
            str(error).strip(),
            hint="The role of the DSN must be allowed to create roles and schemas.",
        ) from error


def _ensure_roles(connection: psycopg.Connection, app_password: str) -> None:
    """Create the roles where missing; they belong to the cluster, not to the database.

    Migrations of other databases of the cluster may do the same at the same moment, which the
    advisory lock of one database does not see: lost races are run again.
    """
    secret = connection.pgconn.encrypt_password(
        app_password.encode(), APP_ROLE.encode(), b"scram-sha-256"
    ).decode()
    for attempt in range(1, _ROLE_ATTEMPTS + 1):
        try:
            _create_role(connection, OWNER_ROLE)
            _create_role(connection, APP_ROLE)
            connection.execute(
                sql.SQL(
                    "ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS"
                    " PASSWORD {}"
                ).format(sql.Identifier(APP_ROLE), sql.Literal(secret))
            )
            _become_member(connection)
        except psycopg.errors.InternalError_ as error:
            if "concurrently updated" not in str(error) or attempt == _ROLE_ATTEMPTS:
                raise
        except psycopg.errors.UniqueViolation:
            if attempt == _ROLE_ATTEMPTS:
                raise
        else:
            return
        time.sleep(0.05 * attempt)


def _create_role(connection: psycopg.Connection, name: str) -> None:
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    if found is None:
        try:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
        except psycopg.errors.DuplicateObject:
            return  # created by another database's migration in between


def _become_member(connection: psycopg.Connection) -> None:
    """Let a migrating role that is no superuser act as the owner."""
    privilege = "SET" if connection.info.server_version >= 160000 else "MEMBER"  # noqa: PLR2004  # from 16 on, membership alone is not enough
    row = connection.execute(
        "SELECT pg_has_role(current_user, %s, %s)", [OWNER_ROLE, privilege]
    ).fetchone()
    if row is not None and not row[0]:
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(OWNER_ROLE)))


def _upgrade(dsn: str) -> None:
    # Imported here: Alembic and SQLAlchemy take most of a second, and only this needs them.
    from alembic import command  # noqa: PLC0415  # see above
    from alembic.config import Config  # noqa: PLC0415  # see above
    from sqlalchemy import NullPool, create_engine, exc  # noqa: PLC0415  # see above

    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(dsn, connect_timeout=_CONNECT_TIMEOUT_S),
        poolclass=NullPool,
    )
    config = Config()
    with as_file(files("enforcement.store.migrations")) as folder:
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        try:
            with engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except exc.DBAPIError as error:
            raise EvaluationError("migration_refused", str(error.orig).strip()) from error


def head_of(dsn: str) -> str | None:
    """Return the migration head in place; None where there is no schema of ours.

    Raises:
        StoreError: The database cannot be reached.
    """
    try:
        with psycopg.connect(dsn, connect_timeout=_CONNECT_TIMEOUT_S) as connection:
            row = connection.execute(
                "SELECT version_num FROM enforcement.alembic_version"
            ).fetchone()
            return str(row[0]) if row else None
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    except psycopg.Error as error:
        raise _unreachable(error) from error


def _unreachable(error: psycopg.Error) -> StoreError:
    return UnavailableError("database_unavailable", str(error).strip())
