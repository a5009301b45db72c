"""What a failure scenario is made of: faults, checks, queries, and how soon must be healed.

A `ScenarioSpec` is a complete value. `stressproof.faults` runs it, the verifier demands it, and a
page shows it; an artifact in which a fault or a check of its scenario is missing is not evidence
for that scenario.
"""

from collections.abc import Collection, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from stressproof.evidence.failure import Parameter, RecoveryObjectives

S: Final = 1_000_000
MS: Final = 1000


def _within(rto_s: int) -> RecoveryObjectives:
    """Return objectives: so many seconds after healing begins a good second and a half."""
    return RecoveryObjectives(
        rto_service_us=rto_s * S,
        window_us=1_500 * MS,
        window_operations=8,
        slow_us=1_500 * MS,
        bad_ppm=0,
        answer_us=7 * S,
    )


AT_ONCE: Final = _within(2)
"""After what breaks nothing: races, forgeries, floods."""

SOON: Final = _within(3)
"""After a network or a session that broke: the service has only to connect again."""

LATER: Final = _within(5)
"""After a process that has to start again."""

_WATCH_AFTER_US: Final = 2_500 * MS
"""How long is watched beyond the objective: what comes then must be healthy, all of it."""


class RequestSpec(Struct, frozen=True):
    """One kind of request.

    Attributes:
        kind: As operations name it.
        weight: Its share of the load; 0 for what only faults send.
        keyed: Whether it asks for an effect, so that each has a key.
        then: Asked in its place once there is nothing left to ask for; empty where that never ends.
        stock: How many of it there are at least, before ``then``.
        sent: How many effects it is asked for beside the load, without faults and with them;
            operations where it asks for no effect.
        stream: The fault that sends it beside the load, at `stream_per_s`; empty for none.
        stream_per_s: How many a second.
    """

    kind: str
    weight: int = 0
    keyed: bool = False
    then: str = ""
    stock: int = 0
    sent: tuple[int, int] = (0, 0)
    stream: str = ""
    stream_per_s: int = 0


class WitnessSpec(Struct, frozen=True):
    """What proves that a fault took effect.

    Attributes:
        name: What is counted.
        needs: By how much it must grow, at least.
    """

    name: str
    needs: int = 1


class FaultSpec(Struct, frozen=True):
    """One fault of a scenario.

    Attributes:
        id: Within the scenario.
        kind: Which injector.
        how: What is done, for people.
        witness: What proves that it took effect, for people.
        lasts_us: How long it holds.
        objectives: What recovery is held against.
        watched_longer_us: Watched beyond what the objective needs.
        target: What it hits, as a pattern.
        parameters: How, exactly.
        witnesses: All of them, in order.
        until_done: It ends once it did what it can, and lasts no longer.
    """

    id: str
    kind: str
    how: str
    witness: str
    lasts_us: int
    objectives: RecoveryObjectives = SOON
    watched_longer_us: int = 0
    target: str = "*"
    parameters: Mapping[str, Parameter] = {}
    witnesses: tuple[WitnessSpec, ...] = ()
    until_done: bool = False

    @property
    def watch_us(self) -> int:
        """How long recovery is watched."""
        return self.objectives.rto_service_us + _WATCH_AFTER_US + self.watched_longer_us


class CheckSpec(Struct, frozen=True):
    """One check over operations.

    Attributes:
        id: Of `stressproof.failures.checks.CHECKS`.
        about: A fault's id, empty for the whole trial.
        parameters: Of the check.
        baseline: Also made in the trial without faults.
    """

    id: str
    about: str = ""
    parameters: Mapping[str, Parameter] = {}
    baseline: bool = False


class Query(Struct, frozen=True):
    """One invariant of a service as a question to its database.

    Attributes:
        id: As in the artifact's checks.
        title: What holds, as a sentence without its full stop.
        sql: Returns ``(compared, violations)``: how many things it looked at, and how many of them
            are wrong.
        only_with_faults: It has nothing to look at in a baseline.
        looks_at: It looks at one thing at least for each effect with an operation of these kinds
            (patterns) that ended with one of `with_codes`; empty where that follows from nothing.
        with_codes: Patterns; ``ok`` stands for every acknowledgement.
    """

    id: str
    title: str
    sql: str
    only_with_faults: bool = False
    looks_at: str = ""
    with_codes: str = "ok"


class ScenarioSpec(Struct, frozen=True, kw_only=True):
    """One failure scenario.

    Attributes:
        id: Such as ``FI-001``.
        title: What it is about.
        question: What a reader wants to know, answered by a pass.
        steady_us: Load without a fault before the first one, and in the baseline.
        rate_per_s: Arrivals a second.
        requests: What is asked, the load's first and in the order of its weights.
        faults: In order.
        checks: Over operations.
        effects_sql: Returns ``(key, effects)`` for each effect that was asked for.
        queries: Asked of the database in the end.
        quiet: Queries that are waited for before the final read, until they find nothing wrong.
        driver: What prepares, loads and injects, as ``package.module:Class``; it is imported only
            when something is driven.
        parallel: It runs beside the others, on a second testbed of its own service and database.
    """

    id: str
    title: str
    question: str
    steady_us: int
    rate_per_s: int
    requests: tuple[RequestSpec, ...]
    faults: tuple[FaultSpec, ...]
    checks: tuple[CheckSpec, ...]
    effects_sql: str
    queries: tuple[Query, ...]
    quiet: tuple[Query, ...] = ()
    driver: str
    parallel: bool = False

    @property
    def scheduled(self) -> list[RequestSpec]:
        """What the load asks at its rate."""
        return [request for request in self.requests if request.weight]

    def demanded_checks(self, *, with_faults: bool) -> list[CheckSpec]:
        """Return the checks over operations of a trial; without faults nothing may be wrong."""
        if with_faults:
            return list(self.checks)
        return [CheckSpec("undisturbed"), *(check for check in self.checks if check.baseline)]

    def demanded_queries(self, *, with_faults: bool) -> list[Query]:
        """Return the queries of a trial."""
        return [query for query in self.queries if with_faults or not query.only_with_faults]

    def part(self, faults: Collection[str]) -> "ScenarioSpec":
        """Return the scenario with some of its faults, and with the checks these can satisfy.

        What it proves is less than the scenario; an artifact of it is no evidence for the scenario.
        """
        kept = {fault.id for fault in self.faults if fault.id in faults}
        return replace(
            self,
            faults=tuple(fault for fault in self.faults if fault.id in kept),
            checks=tuple(check for check in self.checks if not check.about or check.about in kept),
        )
