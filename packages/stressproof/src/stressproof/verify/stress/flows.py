"""Flows: what their runs say they sent is what was sent, and took no less time."""

from collections.abc import Iterator, Sequence

from stressproof.evidence.level import Level
from stressproof.evidence.measurements import RampRow, Row, RunMeasurements
from stressproof.evidence.workload import WorkloadRecord
from stressproof.verify.instants import SECOND_US
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import UNSOUND, StressCase

_EDITED = "Measurements are written by the capture alone; capture again."
_NONE = "the load has no flow"


def _flows(workload: WorkloadRecord) -> list[int]:
    return [number for number in range(len(workload.endpoints)) if workload.is_flow(number)]


def _steps(workload: WorkloadRecord, flow: int) -> set[int]:
    """Return the positions of what a flow asks."""
    own = workload.endpoints[flow]
    return {
        number
        for number, step in enumerate(workload.endpoints)
        if (step.kind, step.scenario, step.flow) == ("step", own.scenario, own.flow)
    }


def _outside_and_in(run: RunMeasurements) -> Iterator[Row | RampRow]:
    """Yield all rows in which iterations and their requests are counted; a setup is none."""
    yield from run.ramp
    yield from run.rows
    yield from run.tail


@rule(
    "stress.flow-requests",
    clause="evidence.md, Flows",
    title="Runs of a flow sent as many requests as its steps count",
    remedy=_EDITED,
    level=Level.RECOMPUTED,
)
def flow_requests(case: StressCase, judgement: Judgement) -> None:
    """Σ requests of a flow's rows equals Σ started of its steps, over ramp, window and tail."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    for place, run in enumerate(artifact.measurements.runs):
        for flow in _flows(artifact.workload):
            steps = _steps(artifact.workload, flow)
            said = sum(row.requests for row in _outside_and_in(run) if row.endpoint == flow)
            sent = sum(row.started for row in _outside_and_in(run) if row.endpoint in steps)
            judgement.check(
                said == sent,
                f"measurements.runs[{place}] ({artifact.workload.endpoints[flow].name})",
                prose(f"{said} requests of its runs"),
                prose(f"{sent}, of its steps"),
            )
    if not judgement.compared:
        judgement.skip(_NONE)


@rule(
    "stress.flow-time",
    clause="evidence.md, Flows",
    title="Runs of a flow took as long as their requests and pauses",
    remedy=_EDITED,
    level=Level.RECOMPUTED,
)
def flow_time(case: StressCase, judgement: Judgement) -> None:
    """Σ time of the runs is at least Σ time of their steps and Σ think, from the send."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    for place, run in enumerate(artifact.measurements.runs):
        for flow in _flows(artifact.workload):
            steps = _steps(artifact.workload, flow)
            rows = list(_outside_and_in(run))
            own = [row for row in rows if row.endpoint == flow]
            parts = [row for row in rows if row.endpoint in steps]
            took_us = _took_us(own)
            least_us = _took_us(parts, sent=True) + sum(row.think_us for row in own)
            # Whole microseconds are cut off of each.
            slack_us = sum(row.started for row in own)
            judgement.check(
                took_us + slack_us >= least_us,
                f"measurements.runs[{place}] ({artifact.workload.endpoints[flow].name})",
                prose(f"runs of {took_us / SECOND_US:.3f} s in sum"),
                prose(f"at least {least_us / SECOND_US:.3f} s, of requests and pauses"),
            )
    if not judgement.compared:
        judgement.skip(_NONE)


def _took_us(rows: Sequence[Row | RampRow], *, sent: bool = False) -> int:
    """Return the time of rows: from the intended start, or from the send where that is known."""
    total_us = 0
    for row in rows:
        uncorrected = getattr(row, "uncorrected", None) if sent else None
        total_us += (uncorrected or row.corrected).sum_us
    return total_us


@rule(
    "stress.interrupted",
    clause="evidence.md, Flows",
    title="No more runs of flows were interrupted than there are users",
    remedy=_EDITED,
    level=Level.RECOMPUTED,
)
def interrupted(case: StressCase, judgement: Judgement) -> None:
    """A round interrupts what each user is at when its time is up, and nothing before."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    workload = artifact.workload
    for place, run in enumerate(artifact.measurements.runs):
        for scenario in workload.scenarios:
            flows = {
                number
                for number in _flows(workload)
                if workload.endpoints[number].scenario == scenario.name
            }
            if flows:
                seen = sum(
                    row.outcomes.get("interrupted", 0)
                    for row in _outside_and_in(run)
                    if row.endpoint in flows
                )
                judgement.check(
                    seen <= scenario.max_users,
                    f"measurements.runs[{place}]",
                    prose(f"{seen} runs interrupted"),
                    prose(f"at most {scenario.max_users}, one of each user"),
                )
    if not judgement.compared:
        judgement.skip(_NONE)


RULES = (flow_requests, flow_time, interrupted)
