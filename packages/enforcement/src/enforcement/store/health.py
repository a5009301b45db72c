"""What the database says of itself."""

import time

import msgspec

from enforcement.store.database import Database
from enforcement.store.errors import SchemaError
from enforcement.store.migrate import HEAD


class DatabaseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """As ``/health`` shows them.

    Attributes:
        xact_commit: Transactions of this database that sessions have reported as committed.
        wal_lsn: Where the write-ahead log ends, in bytes; of a standby, what it has replayed.
    """

    server_version: str
    system_identifier: str
    fsync: str
    synchronous_commit: str
    migration_head: str
    xact_commit: int
    wal_lsn: int
    latency_ms: float


async def facts(db: Database, *, deadline_s: float = 1.0) -> DatabaseFacts:
    """Ask the database; never from a cache.

    Raises:
        StoreError: It did not answer in time.
        SchemaError: It has no schema of ours, or another version's.
    """
    started = time.perf_counter()
    rows = await db.fetch(
        "SELECT current_setting('server_version'),"
        " (SELECT system_identifier::text FROM pg_control_system()),"
        " current_setting('fsync'), current_setting('synchronous_commit'),"
        " (SELECT version_num FROM enforcement.alembic_version),"
        " (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),"
        " pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
        " ELSE pg_current_wal_lsn() END, '0/0')::bigint",
        deadline_s=deadline_s,
    )
    latency_ms = 1000 * (time.perf_counter() - started)
    version, identifier, fsync, synchronous_commit, head, xact_commit, wal_lsn = rows[0]
    if head != HEAD:
        raise SchemaError(
            "schema_differs", f"the schema is at revision {head}, this version needs {HEAD}"
        )
    return DatabaseFacts(
        # Distributions append their package's name in parentheses.
        server_version=version.split()[0],
        system_identifier=identifier,
        fsync=fsync,
        synchronous_commit=synchronous_commit,
        migration_head=head,
        xact_commit=xact_commit,
        wal_lsn=wal_lsn,
        latency_ms=round(latency_ms, 3),
    )
