"""The service under load and its database: who they were before and after the load."""

from msgspec import Struct

from stressproof.evidence.fields import Amount, Text
from stressproof.evidence.measurements import Count


class ParityReading(Struct, frozen=True, forbid_unknown_fields=True):
    """What the target found when it compared its records with its journal; null where it is silent.

    Attributes:
        compared: How many records.
        agreed: Whether all of them were as the journal has them.
        first_sequence: Of the journal's entries that were compared.
        last_sequence: Likewise.
        records_sha256: Over the records.
        journal_sha256: Over what the journal has of them: the same where they agree.
    """

    compared: Count | None
    agreed: bool | None
    first_sequence: Count | None
    last_sequence: Count | None
    records_sha256: Text | None
    journal_sha256: Text | None


class RuntimeProbe(Struct, frozen=True, forbid_unknown_fields=True):
    """What the target said of its database at one moment; null where it did not say.

    Attributes:
        transactions_committed: Since its statistics began, of all sessions that reported by then.
        wal_bytes: Where its write-ahead log ends.
        journal_sequence: Number of the last entry of the caller's journal, 0 of an empty one.
        journal_hash: Of that entry, which every entry before it goes into.
        took_us: From ``probed_at`` until the answer was there, null where none came.
        parity: What it found when it compared its books, null where it was not asked.
    """

    probed_at: Text
    status_code: int | None
    status: Text | None
    database_engine: Text | None
    database_engine_source: Text | None
    server_version: Text | None
    system_identifier: Text | None
    fsync: Text | None
    synchronous_commit: Text | None
    migration_head: Text | None
    probe_error: Text | None
    transactions_committed: Count | None = None
    wal_bytes: Count | None = None
    journal_sequence: Count | None = None
    journal_hash: Text | None = None
    took_us: Count | None = None
    parity: ParityReading | None = None


class Runtime(Struct, frozen=True, forbid_unknown_fields=True):
    """The backend that the load really reached.

    Attributes:
        health_endpoint: The path that was asked.
        database_engine: As ``before`` has it, ``unknown`` where the target did not say.
        database_engine_source: ``db-query`` where the target asked its database, else
            ``target-endpoint``.
        before: After preflight, before any load.
        after: After the last answer.
        limits: The rate limits that the target applies to this caller, as it reports them.
        unsafe: Protections that the target says are switched off.
    """

    health_endpoint: Text
    database_engine: Text
    database_engine_source: Text
    before: RuntimeProbe
    after: RuntimeProbe | None
    limits: dict[str, Count] | None
    unsafe: list[Text]


DEFAULT_TARGET = "default"
"""The target that a project names by nothing but ``[target]``."""


UNKNOWN_ENGINE = "unknown"
"""What the protocol's field says of a database that the target did not name."""


class TargetProbe(Struct, frozen=True, forbid_unknown_fields=True):
    """What the target said of itself at one moment; null where it did not say."""

    instance_id: Text | None
    version: Text | None
    git_commit: Text | None
    git_dirty: bool | None
    started_at: Text | None
    uptime_seconds: Amount | None
    workers: Count | None


class CountedTimes(Struct, frozen=True, forbid_unknown_fields=True):
    """A histogram of the target's own: how long it took to answer, over the whole load.

    Attributes:
        bounds_us: Ascending.
        counts: Requests that took no longer than each bound and longer than the one before; at the
            end those that took longer than all.
    """

    bounds_us: list[Count]
    counts: list[Count]


class CounterPair(Struct, frozen=True, forbid_unknown_fields=True):
    """Requests to one route as the target counted them; null where it does not count.

    Attributes:
        endpoint: Its name.
        before: After preflight, before any load.
        after: After the last answer.
        statuses: What came between, by status; those that did not occur are left out.
        times: How long the target took for what came between.
    """

    endpoint: Text
    before: Count | None
    after: Count | None
    statuses: dict[Text, Count] | None = None
    times: CountedTimes | None = None


class Target(Struct, frozen=True, forbid_unknown_fields=True):
    """The service under load: who it was before and after, and what it counted.

    Attributes:
        url: Its base URL.
        before: After preflight, before any load.
        after: After the last answer.
        counters: One for each endpoint, in the workload's order.
        insecure: Whether its certificate was not verified: it may be anybody.
        name: The project's for it, ``default`` of ``[target]``; null where a command named its URL
            or changed how it is asked.
    """

    url: Text
    before: TargetProbe
    after: TargetProbe | None
    counters: list[CounterPair]
    insecure: bool = False
    name: Text | None = None


class Subject(Struct, frozen=True, forbid_unknown_fields=True):
    """The build that this is evidence about; null where it could not be determined."""

    git_commit: Text | None
    git_dirty: bool | None
    image_digest: Text | None = None
    artifact_digests: dict[str, Text] = {}
