"""What a service said of itself before and after: the same, healthy, protected, the right build."""

from collections.abc import Iterator
from typing import Any

from stressproof.evidence.target import ParityReading, RuntimeProbe, TargetProbe
from stressproof.verify.rule import Judgement, prose

_HEALTHY = 200
_NO_SUCH_PAGE = frozenset({401, 403, 404, 405, 410, 501})

BUILD = ("version", "git_commit", "git_dirty")
"""What stays the same as long as the same build answers."""

IDENTITY = ("instance_id", *BUILD, "started_at")
"""What stays the same as long as the same process answers."""

DATABASE = (
    "database_engine",
    "database_engine_source",
    "server_version",
    "system_identifier",
    "fsync",
    "synchronous_commit",
    "migration_head",
)
"""What stays the same as long as the same database is behind it."""

LOG = ("wal_bytes", "journal_sequence")
"""What only grows as long as the same database is behind it, whatever happens to its processes."""

COUNTS = ("transactions_committed", *LOG)
"""What only grows as long as the same database server runs."""

_NO_ANSWERS = frozenset({"", "-", "?", "n/a", "none", "null", "undefined", "unknown"})
_DURABILITY = ("fsync", "synchronous_commit")


def is_unknown(value: Any) -> bool:
    """Return whether a value is absent, or a word for that."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _NO_ANSWERS)


def _stated(
    before: TargetProbe | RuntimeProbe, after: TargetProbe | RuntimeProbe, names: tuple[str, ...]
) -> Iterator[tuple[str, Any, Any]]:
    """Yield each name that either probe states, with what both say."""
    for name in names:
        one, other = getattr(before, name), getattr(after, name)
        if one is not None or other is not None:
            yield name, one, other


def judge_unchanged(
    after_at: str,
    before: TargetProbe | RuntimeProbe,
    after: TargetProbe | RuntimeProbe,
    names: tuple[str, ...],
    judgement: Judgement,
) -> None:
    """Every name that either probe states is the same in both."""
    for name, one, other in _stated(before, after, names):
        judgement.check(one == other, f"{after_at}.{name}", other, one)


def judge_forward(
    after_at: str,
    before: RuntimeProbe,
    after: RuntimeProbe,
    names: tuple[str, ...],
    judgement: Judgement,
) -> None:
    """What either probe counts, both count, and nothing went back."""
    for name, one, other in _stated(before, after, names):
        grown = one is not None and other is not None and one <= other
        judgement.check(grown, f"{after_at}.{name}", other, prose(f"{one} or more, as before"))


def judge_journal(
    where: str, before: RuntimeProbe, after: RuntimeProbe, judgement: Judgement
) -> None:
    """The hash at the end of the journal changed if the end did; more entries took more log.

    Args:
        where: Of the probe after.
        before: The one before.
        after: That one.
        judgement: Takes the comparisons.
    """
    for probe in (before, after):
        if (probe.journal_sequence is None) != (probe.journal_hash is None):
            judgement.fail(where, prose("half of a journal's end"), prose("its sequence and hash"))
            return
    if before.journal_sequence is None or after.journal_sequence is None:
        return  # judge_forward says where only one of them has one
    longer = before.journal_sequence != after.journal_sequence
    judgement.check(
        longer == (before.journal_hash != after.journal_hash),
        f"{where}.journal_hash",
        after.journal_hash,
        prose("another one, of more entries" if longer else "the same, of the same entries"),
    )
    if longer and before.wal_bytes is not None and after.wal_bytes is not None:
        judgement.check(
            before.wal_bytes < after.wal_bytes,
            f"{where}.wal_bytes",
            after.wal_bytes,
            prose(f"more than {before.wal_bytes}: the journal grew"),
        )


def judge_books(where: str, reading: ParityReading, judgement: Judgement) -> None:
    """The records and their journal agree, by one digest, and fit into the range compared."""
    agreed, seen = reading.agreed, reading.journal_sha256
    judgement.check(agreed is not False, f"{where}.agreed", agreed, True)  # noqa: FBT003
    judgement.check(
        seen == reading.records_sha256, f"{where}.journal_sha256", seen, reading.records_sha256
    )
    first, last, compared = reading.first_sequence, reading.last_sequence, reading.compared
    if first is None or last is None:
        whole = first is last
        judgement.check(whole, where, prose("half of a range"), prose("its beginning and its end"))
    elif compared is not None:
        most = last - first + 1
        judgement.check(
            compared <= most, f"{where}.compared", compared, prose(f"at most {most}, of the range")
        )


def judge_compared_on(
    where: str, before: RuntimeProbe, after: RuntimeProbe, judgement: Judgement
) -> None:
    """What was compared after the load is the same as before or newer, and in the journal.

    Args:
        where: Of the probe after.
        before: The one before.
        after: That one.
        judgement: Takes the comparisons.
    """
    one, other = before.parity, after.parity
    if one is None or other is None:
        if one is not other:
            judgement.inconclusive(f"{where}.parity", prose("half"), prose("told at both times"))
        return
    reached = one.last_sequence
    ends = {"parity.last_sequence": other.last_sequence, "journal_sequence": after.journal_sequence}
    for name, seen in ends.items():
        if reached is not None and seen is not None:
            judgement.check(
                reached <= seen, f"{where}.{name}", seen, prose(f"{reached} or more, as before")
            )
    if reached is not None and one.records_sha256 is not None:
        alike = (one.first_sequence, reached) == (other.first_sequence, other.last_sequence)
        judgement.check(
            alike == (one.records_sha256 == other.records_sha256),
            f"{where}.parity.records_sha256",
            other.records_sha256,
            prose("as before, of the same records" if alike else "another, of other records"),
        )


def says_nothing(probe: RuntimeProbe) -> bool:
    """Return whether a service has no such page, or was not asked: it owes nobody one."""
    return probe.status is None and probe.status_code in {None, *_NO_SUCH_PAGE}


def judge_healthy(where: str, probe: RuntimeProbe, judgement: Judgement) -> None:
    """The probe was answered with 200 and ``healthy``, without an error."""
    code = probe.status_code
    judgement.check(code == _HEALTHY, f"{where}.status_code", code, _HEALTHY)
    judgement.check(probe.status == "healthy", f"{where}.status", probe.status, "healthy")
    error = probe.probe_error
    judgement.check(not error, f"{where}.probe_error", error, prose("none"))


def judge_unsafe(where: str, switched_off: list[str], judgement: Judgement) -> None:
    """No protection of the service is switched off."""
    judgement.check(not switched_off, where, switched_off, prose("an empty array"))


def judge_durable(where: str, probe: RuntimeProbe | None, judgement: Judgement) -> None:
    """The database keeps what it confirms."""
    for setting in _DURABILITY:
        value = None if probe is None else getattr(probe, setting)
        if value is None:
            judgement.inconclusive(f"{where}.{setting}", None, "on")
        else:
            judgement.check(value == "on", f"{where}.{setting}", value, "on")


def judge_build(
    where: str,
    build: TargetProbe,
    expected: tuple[str, ...],
    judgement: Judgement,
    *,
    required: bool = False,
) -> None:
    """Where the service states its commit, it is an expected one, without local changes."""
    if not expected:
        judgement.skip("no commit was expected")
        return
    if build.git_commit is None and required:
        judgement.inconclusive(f"{where}.git_commit", None, expected[0])
    if build.git_commit is None:
        judgement.skip("the target does not state its commit")
        return
    seen = build.git_commit
    judgement.check(seen in expected, f"{where}.git_commit", seen, expected[0])
    dirty = build.git_dirty
    if dirty is None and required:
        judgement.inconclusive(f"{where}.git_dirty", None, False)  # noqa: FBT003
        return
    judgement.check(dirty is not True, f"{where}.git_dirty", dirty, False)  # noqa: FBT003
