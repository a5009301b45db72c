"""What the database says of itself."""

import msgspec

from enforcement.store.database import Database


class DatabaseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """As ``/health`` shows them."""

    server_version: str
    system_identifier: str
    fsync: str
    synchronous_commit: str
    migration_head: str
    latency_ms: float


async def facts(db: Database, *, deadline_s: float = 1.0) -> DatabaseFacts:
    """Ask the database; never from a cache.

    Raises:
        StoreError: It did not answer in time.
        SchemaError: It has no schema of ours.
    """
    raise NotImplementedError
