"""A finished injection on a screen: what was broken, what callers waited, what came of it."""

from collections.abc import Iterator, Sequence

from stressproof.evidence.failure import InjectedFault
from stressproof.failures.artifact import FailureArtifact, Scenario, Trial
from stressproof.failures.history import Operation, nearest_rank, read
from stressproof.measure.histogram import P95_PPM
from stressproof.outcome import Outcome
from stressproof.quantities import latency, span
from stressproof.report.html.failure import OUTCOMES, Effects
from stressproof.report.lines import Line
from stressproof.report.offenders import offender_lines
from stressproof.report.sparkline import bars, columns_within

_BESIDE = 36
"""Of the line of a sparkline, beside its bars."""
_BROKEN = "━"


def summary(artifact: FailureArtifact, width: int | None = None) -> list[Line]:
    """Return what came of each scenario.

    Args:
        artifact: What was recorded.
        width: Columns of the terminal; None where nothing needs to fit.
    """
    who = f"executed by {artifact.executed_by}, to be approved by {artifact.approved_by}"
    lines = [Line(f"failures of {artifact.profile}, seed {artifact.seed}: {who}")]
    for scenario in artifact.scenarios:
        lines += _scenario(scenario, width)
    return lines


def _scenario(scenario: Scenario, width: int | None) -> Iterator[Line]:
    outcome = OUTCOMES[scenario.status]
    trial = scenario.trial
    operations = read(trial.operations)
    yield Line(f"{scenario.id}  {scenario.spec.title}", outcome)
    for why in scenario.reasons:
        yield Line(f"    {why}", outcome if outcome is not Outcome.PASS else None, marked=False)
    for wrong in offender_lines(scenario):
        yield Line(f"    {wrong}")
    yield from _over_time(trial, operations, columns_within(width, _BESIDE))
    for fault in trial.faults:
        yield Line(f"    {fault.id}: {_passing(fault)}")
    yield Line(f"    effects: {Effects.of(trial, operations)}")


def _over_time(trial: Trial, operations: Sequence[Operation], most: int) -> Iterator[Line]:
    """Yield what callers waited over the trial, and below it when something was broken."""
    wide_us = max(trial.duration_us // most, 1)
    columns: list[list[int]] = [[] for _ in range(most)]
    for one in operations:
        columns[min(one.start_us // wide_us, most - 1)].append(one.duration_us)
    values = [nearest_rank(sorted(waits), P95_PPM) if waits else None for waits in columns]
    known = [value for value in values if value is not None]
    if not known:
        return
    yield Line(
        f"    p95     {bars(values)}  {latency(min(known))} to {latency(max(known))}", quiet=True
    )
    broken = "".join(
        _BROKEN if _is_broken(trial, at * wide_us, (at + 1) * wide_us) else " "
        for at in range(most)
    )
    if broken.strip():
        yield Line(f"    broken  {broken.rstrip()}", quiet=True)


def _is_broken(trial: Trial, from_us: int, to_us: int) -> bool:
    return any(one.effective_us < to_us and one.healed_us > from_us for one in trial.faults)


def _passing(fault: InjectedFault) -> str:
    """Return how a fault passed, beside what was asked."""
    recovery = fault.recovery
    held = span(fault.healed_us - fault.effective_us)
    recovered = "the service did not recover while it was watched"
    if recovery.rto_service_us is not None:
        recovered = f"recovered within {span(recovery.rto_service_us)}"
    within = f"<= {span(fault.objectives.rto_service_us)} asked"
    return f"held for {held}, {recovered} ({within})"
