"""What the service's database counted of the load: transactions, log, and the journal's end.

Load that reached the service reached its database. Its counts only grow, and a journal whose hashes
are chained ends in another hash as soon as it holds another entry.
"""

from stressproof.evidence.level import Level
from stressproof.evidence.measurements import RampRow, Row, RunMeasurements
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.target import RuntimeProbe
from stressproof.verify.case import NO_ARTIFACT
from stressproof.verify.probes import (
    COUNTS,
    judge_books,
    judge_compared_on,
    judge_forward,
    judge_journal,
)
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import UNSOUND, StressCase

_CLAUSE = "evidence.md, What the database counted (requirement database_in_detail)"
_WENT_BACK = "Find out why the database lost what it had counted, then capture again."

_UNREPORTED_US = 11_000_000
"""What a session has committed shows later: PostgreSQL's report at most once a second, and ten
seconds after they fell idle (``PGSTAT_MIN_INTERVAL``, ``PGSTAT_IDLE_INTERVAL``)."""

_SECOND_US = 1_000_000


@rule(
    "stress.database-counts",
    clause=_CLAUSE,
    title="What the database counts only grew during the load",
    remedy=_WENT_BACK,
    level=Level.RECOMPUTED,
)
def database_counts(case: StressCase, judgement: Judgement) -> None:
    """Transactions committed, bytes of log and entries of the journal: before ≤ after."""
    probes = _probes(case, COUNTS, judgement)
    if probes is not None:
        judge_forward("runtime.after", *probes, COUNTS, judgement)


@rule(
    "stress.journal",
    clause=_CLAUSE,
    title="The journal ends in another hash exactly where it holds other entries",
    remedy=_WENT_BACK,
    level=Level.RECOMPUTED,
)
def journal(case: StressCase, judgement: Judgement) -> None:
    """The same sequence has the same hash, a larger one another; and more entries took log."""
    probes = _probes(case, ("journal_sequence", "journal_hash"), judgement)
    if probes is not None:
        judge_journal("runtime.after", *probes, judgement)


@rule(
    "stress.parity",
    clause="evidence.md, What the database counted (requirement min_parity_compared)",
    title="The service compared its books before and after the load, and they agreed",
    remedy="Books that disagree or are empty release nothing; load a tenant that has a past.",
    level=Level.RECOMPUTED,
)
def parity(case: StressCase, judgement: Judgement) -> None:
    """Enough was compared, records and journal have one digest, and the journal went on."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    runtime, asked = case.artifact.runtime, case.requirements
    least = asked.min_parity_compared if asked.require_counters else None
    for when, probe in (("before", runtime.before), ("after", runtime.after)):
        reading = None if probe is None else probe.parity
        where = f"runtime.{when}.parity"
        if reading is not None:
            judge_books(where, reading, judgement)
        compared = None if reading is None or not reading.agreed else reading.compared
        if least is not None and (compared is None or compared < least):
            judgement.inconclusive(f"{where}.compared", compared, prose(f"at least {least}"))
    if runtime.after is not None:
        judge_compared_on("runtime.after", runtime.before, runtime.after, judgement)
    if not judgement.compared:
        judgement.skip("the target does not compare its books (min_parity_compared)")


def _probes(
    case: StressCase, names: tuple[str, ...], judgement: Judgement
) -> tuple[RuntimeProbe, RuntimeProbe] | None:
    """Return both probes; what neither says is undecided where it must be there."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return None
    before, after = case.artifact.runtime.before, case.artifact.runtime.after
    if after is None:
        judgement.skip("the target was not asked after the load; stress.same-database says so")
        return None
    asked = case.requirements
    if asked.require_counters and asked.database_in_detail:
        for name in names:
            if getattr(before, name) is None and getattr(after, name) is None:
                judgement.inconclusive(f"runtime.before.{name}", None, prose("what it counts"))
    judgement.skip("the target does not tell what its database counts (database_in_detail)")
    return before, after


@rule(
    "stress.transactions",
    clause="evidence.md, What the database counted (requirement min_transactions_per_success)",
    title="The database committed the transactions that the load needs",
    remedy="Load that never reached the database proves nothing of it; capture again.",
    level=Level.RECOMPUTED,
)
def transactions(case: StressCase, judgement: Judgement) -> None:
    """Transactions committed ≥ what the successes of required endpoints need at least."""
    artifact, least = case.computable, case.requirements.min_transactions_per_success
    if least is None:
        judgement.skip("no transactions are asked of any request (min_transactions_per_success)")
        return
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    before, after = artifact.runtime.before, artifact.runtime.after
    first = before.transactions_committed
    last = None if after is None else after.transactions_committed
    if first is None or last is None:
        if case.requirements.require_counters:
            judgement.inconclusive(
                "runtime.after.transactions_committed", last, prose("both readings")
            )
        judgement.skip("the target does not tell its transactions")
        return
    required = {place for places in case.required_places.values() for place in places}
    successes = _successes_reported(artifact, required)
    where = "runtime.after.transactions_committed"
    if not successes:
        if case.requirements.require_counters:
            judgement.inconclusive(where, last, prose("a success that is old enough to be counted"))
        judgement.skip("every success is so young that sessions may not have reported it")
        return
    judgement.check(
        last - first >= successes * least,
        where,
        prose(f"{last - first} committed"),
        prose(f"at least {least:g} for each of {successes} successes"),
    )


def _successes_reported(artifact: StressArtifact, required: set[int]) -> int:
    """Return how many successes ended so early that every session had reported them."""
    resolution_us = artifact.measurements.resolution_seconds * _SECOND_US
    after_us = -_UNREPORTED_US  # from a round's end to the reading, less what may be missing
    total = 0
    for run in reversed(artifact.measurements.runs):
        total += _of_round(run, required, resolution_us, run.elapsed_us + after_us)
        after_us += run.elapsed_us
    return total


def _of_round(run: RunMeasurements, required: set[int], resolution_us: int, end_us: int) -> int:
    """Return the successes of a round that ended by a moment after its window began."""
    rows: list[tuple[Row | RampRow, int]] = [(row, 0) for row in run.ramp]
    rows += [(row, row.second * _SECOND_US + resolution_us) for row in run.rows]
    return sum(
        row.outcomes.get("ok", 0)
        for row, begun_us in rows
        if row.endpoint in required and begun_us + (row.corrected.max_us or 0) <= end_us
    )


RULES = (database_counts, journal, parity, transactions)
