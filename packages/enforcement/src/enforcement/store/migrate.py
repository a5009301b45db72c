"""Bring a database to this code's schema. The only module that imports Alembic."""

import hashlib
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
HEAD: Final = "0005"
_CONNECT_TIMEOUT_S: Final = 5
_ROLE_ATTEMPTS: Final = 20


def migrate(dsn: str, *, app_password: str, replace_password: bool = False) -> str:
    """Create or upgrade the schema, its roles and their privileges; safe to run in parallel.

    Args:
        dsn: Of a role that may create roles and schemas (the cluster's superuser will do).
        app_password: Login password of ``enforcement_app``, set where that role has none yet. It
            belongs to the whole server: other databases there may be served by it.
        replace_password: Set it even so.

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
        if replace_password or not _may_log_in(guard):
            _ensure_roles(guard, app_password)
        else:
            _become_member(guard)
            _demand_password(dsn, app_password)
        guard.execute(
            sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(
                sql.Identifier(SCHEMA), sql.Identifier(OWNER_ROLE)
            )
        )
        before = _head(guard)
        if before is not None:
            _demand_known(before)
            _demand_our_statements(guard, before)
        _upgrade(dsn)
        guard.execute(
            sql.SQL(
                "GRANT USAGE ON SCHEMA {0} TO {1}; GRANT SELECT ON {0}.alembic_version TO {1}"
            ).format(sql.Identifier(SCHEMA), sql.Identifier(APP_ROLE))
        )
        return _head(guard) or ""


def app_dsn(dsn: str, app_password: str) -> str:
    """Return the DSN of the application role on the same server and database."""
    return make_conninfo(dsn, user=APP_ROLE, password=app_password)


def revisions() -> frozenset[str]:
    """Return every revision of the schema that this code knows."""
    folder = files("enforcement.store.migrations") / "versions"
    names = (each.name.partition("_")[0] for each in folder.iterdir())
    return frozenset(name for name in names if name.isdigit())


def _demand_known(head: str) -> None:
    """Leave a schema alone that a newer version has made."""
    if head not in revisions():
        raise EvaluationError(
            "schema_from_the_future",
            f"the database's schema is at revision {head}, this version knows up to {HEAD}",
            hint="A newer version has migrated it: run that one.",
        )


def statements_of(head: str) -> str:
    """Name all SQL that the migrations up to a head run, in order, by its SHA-256.

    It is the schema's comment, written with each revision.
    """
    digest = hashlib.sha256()
    folder = files("enforcement.store.migrations") / "sql"
    for revision in sorted(folder.iterdir(), key=lambda each: each.name):
        if revision.name <= head:
            for part in sorted(revision.iterdir(), key=lambda each: each.name):
                digest.update(part.read_bytes())
    return f"statements sha256:{digest.hexdigest()}"


def _demand_our_statements(connection: psycopg.Connection, head: str) -> None:
    """See that the statements that made a schema were those that this build knows.

    A build between two releases may have other statements under the same revision; what it left
    behind would fail at some request instead of here.
    """
    row = connection.execute(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s",
        [SCHEMA],
    ).fetchone()
    if row is None or row[0] != statements_of(head):
        raise EvaluationError(
            "schema_of_another_build",
            "the database was made by another build of this version, and is not changed",
            hint="Let that build serve it; or drop the database (of the embedded one: remove its"
            " folder, which the log names) and migrate anew.",
        )


def _may_log_in(connection: psycopg.Connection) -> bool:
    """Return whether the application's role was made before."""
    row = connection.execute(
        "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [APP_ROLE]
    ).fetchone()
    return row is not None and bool(row[0])


def _demand_password(dsn: str, app_password: str) -> None:
    """Make sure that the role's password is ours, rather than take it from who else uses it."""
    try:
        psycopg.connect(app_dsn(dsn, app_password), connect_timeout=_CONNECT_TIMEOUT_S).close()
    except psycopg.OperationalError as error:
        raise EvaluationError(
            "app_password_differs",
            f"this server has a role {APP_ROLE} already, and it does not log in with our"
            f" password: {str(error).strip()}",
            hint="Give its password with ENFORCEMENT_APP_PASSWORD; or, where no other service"
            " uses it, run `enforcement migrate --replace-app-password`.",
        ) from error


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
                command.upgrade(config, HEAD)
        except exc.DBAPIError as error:
            raise EvaluationError("migration_refused", str(error.orig).strip()) from error


def head_of(dsn: str) -> str | None:
    """Return the migration head in place; None where there is no schema of ours.

    Raises:
        StoreError: The database cannot be reached.
    """
    try:
        with psycopg.connect(dsn, connect_timeout=_CONNECT_TIMEOUT_S) as connection:
            return _head(connection)
    except psycopg.Error as error:
        raise _unreachable(error) from error


def _unreachable(error: psycopg.Error) -> StoreError:
    return UnavailableError("database_unavailable", str(error).strip())


def _head(connection: psycopg.Connection) -> str | None:
    """Return the migration head in place; None where there is no schema of ours."""
    found = connection.execute("SELECT to_regclass('enforcement.alembic_version')").fetchone()
    if found is None or found[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM enforcement.alembic_version").fetchone()
    return str(row[0]) if row else None
