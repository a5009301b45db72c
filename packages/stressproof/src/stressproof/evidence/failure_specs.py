"""The parts that a failure scenario is made of: faults, checks, and how soon must be healed."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from stressproof.evidence.failure import Objectives, Parameter

S: Final = 1_000_000
MS: Final = 1000


def _within(rto_s: int) -> Objectives:
    """Return objectives: so many seconds after healing begins a good second and a half."""
    return Objectives(
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

GATE_ANSWER_US: Final = 3_500 * MS
"""A gate's own bound is 2.25 s; what is above it is for a busy machine."""

_WATCH_AFTER_US: Final = 2_500 * MS
"""How long is watched beyond the objective: what comes then must be healthy, all of it."""


class FaultSpec(Struct, frozen=True):
    """One fault of a scenario.

    Attributes:
        id: Within the scenario.
        kind: Which injector.
        how: What is done, for people.
        witness: What proves that it bit, for people.
        lasts_us: How long it holds.
        objectives: What recovery is held against.
        watched_longer_us: Watched beyond what the objective needs.
    """

    id: str
    kind: str
    how: str
    witness: str
    lasts_us: int
    objectives: Objectives = SOON
    watched_longer_us: int = 0

    @property
    def watch_us(self) -> int:
        """How long recovery is watched."""
        return self.objectives.rto_service_us + _WATCH_AFTER_US + self.watched_longer_us


class CheckSpec(Struct, frozen=True):
    """One check over operations.

    Attributes:
        id: Of `stressproof.evidence.checks.CHECKS`.
        about: A fault's id, empty for the whole trial.
        parameters: Of the check.
        baseline: Also made in the trial without faults.
    """

    id: str
    about: str = ""
    parameters: Mapping[str, Parameter] = {}
    baseline: bool = False


class ScenarioSpec(Struct, frozen=True):
    """One scenario.

    Attributes:
        id: ``FI-001`` to ``FI-005``.
        title: What it is about.
        question: What a reader wants to know, answered by a pass.
        steady_us: Load without a fault before the first one, and in the baseline.
        rate_per_s: Arrivals a second.
        faults: In order.
        checks: Over operations.
        queries: Of `stressproof.evidence.failure_queries.QUERIES`.
        beside: It runs beside the others, on a second stage of its own service and database.
    """

    id: str
    title: str
    question: str
    steady_us: int
    rate_per_s: int
    faults: tuple[FaultSpec, ...]
    checks: tuple[CheckSpec, ...]
    queries: tuple[str, ...]
    parallel: bool = False
