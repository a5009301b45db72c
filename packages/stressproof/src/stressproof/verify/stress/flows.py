"""Flows: what their runs say they sent is what was sent, and took no less time."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from stressproof.evidence.level import Level
from stressproof.evidence.measurements import RampRow, Row, RunMeasurements
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.workload import WorkloadRecord
from stressproof.verify.instants import SECOND_US
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import UNSOUND, StressCase

_EDITED = "Measurements are written by the capture alone; capture again."
_NONE = "the load has no flow"


def _flows(workload: WorkloadRecord) -> list[int]:
    return [number for number in range(len(workload.endpoints)) if workload.is_flow(number)]


def _all(run: RunMeasurements) -> Iterator[Row | RampRow]:
    """Yield all rows in which iterations and their requests are counted; a setup is none."""
    yield from run.ramp
    yield from run.rows
    yield from run.tail


class _FlowRows(Struct, frozen=True):
    """What one round counted of a flow.

    Attributes:
        where: The round and the flow.
        runs: Rows of its runs.
        steps: Rows of what they asked.
    """

    where: str
    runs: Sequence[Row | RampRow]
    steps: Sequence[Row | RampRow]


def _rows_of_flows(artifact: StressArtifact) -> Iterator[_FlowRows]:
    """Yield each flow of each round."""
    endpoints = artifact.workload.endpoints
    steps: dict[tuple[str, str | None], list[int]] = {}
    for number, one in enumerate(endpoints):
        if one.kind == "step":
            steps.setdefault((one.scenario, one.flow), []).append(number)
    for place, run in enumerate(artifact.measurements.runs):
        rows: dict[int, list[Row | RampRow]] = {}
        for row in _all(run):
            rows.setdefault(row.endpoint, []).append(row)
        for flow in _flows(artifact.workload):
            own = endpoints[flow]
            yield _FlowRows(
                f"measurements.runs[{place}] ({own.name})",
                rows.get(flow, []),
                [
                    row
                    for number in steps.get((own.scenario, own.flow), ())
                    for row in rows.get(number, ())
                ],
            )


@rule(
    "stress.flow-requests",
    clause="evidence.md, Flows",
    title="Runs of a flow sent as many requests as its steps count",
    remedy=_EDITED,
    level=Level.RECOMPUTED,
)
def flow_requests(case: StressCase, judgement: Judgement) -> None:
    """Σ requests of a flow's rows equals Σ started of its steps, over ramp, window and tail."""
    if case.computable is None:
        judgement.skip(UNSOUND)
        return
    for flow in _rows_of_flows(case.computable):
        said = sum(row.requests for row in flow.runs)
        sent = sum(row.started for row in flow.steps)
        judgement.check(
            said == sent,
            flow.where,
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
    if case.computable is None:
        judgement.skip(UNSOUND)
        return
    for flow in _rows_of_flows(case.computable):
        took_us = sum(row.corrected.sum_us for row in flow.runs)
        least_us = _sent_us(flow.steps) + sum(row.think_us for row in flow.runs)
        # Whole microseconds are cut off of each.
        slack_us = sum(row.started for row in flow.runs)
        judgement.check(
            took_us + slack_us >= least_us,
            flow.where,
            prose(f"runs of {took_us / SECOND_US:.3f} s in sum"),
            prose(f"at least {least_us / SECOND_US:.3f} s, of requests and pauses"),
        )
    if not judgement.compared:
        judgement.skip(_NONE)


def _sent_us(rows: Sequence[Row | RampRow]) -> int:
    """Return the time of rows from the send, where that is known by itself."""
    return sum((getattr(row, "uncorrected", None) or row.corrected).sum_us for row in rows)


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
                    row.outcomes.get("interrupted", 0) for row in _all(run) if row.endpoint in flows
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
