"""What is asked, as evidence records it."""

from collections.abc import Sequence

from stressproof.evidence.workload import ScenarioRecord, SpanRecord, Stage, WorkloadEndpoint
from stressproof.workload.flows import Flow
from stressproof.workload.requests import Request
from stressproof.workload.scenarios import DEFAULT, Scenario, Span

_US_PER_S = 1_000_000
FLOW = "flow:"
"""What evidence puts before a flow's name: it is no path."""


def record_of(item: Request | Flow, scenario: Scenario | None = None) -> WorkloadEndpoint:
    """Return a request or flow as evidence records it.

    Args:
        item: What it is.
        scenario: Which one asks it; the one that nobody named if None.
    """
    name = DEFAULT if scenario is None else scenario.name
    if isinstance(item, Flow):
        return WorkloadEndpoint(
            name=f"{FLOW}{item.name}",
            method="",
            path=item.run,
            weight=item.weight,
            expected_statuses=[],
            scenario=name,
            kind="flow",
            flow=item.name,
        )
    return WorkloadEndpoint(
        name=item.name,
        method=item.method,
        path=item.path,
        weight=item.weight,
        expected_statuses=list(item.expected_statuses),
        checks=list(item.checks),
        scenario=name,
        timeout_us=item.timeout_us,
        definition_sha256=item.definition_sha256,
    )


def records_of(scenarios: Sequence[Scenario]) -> list[WorkloadEndpoint]:
    """Return what scenarios ask, in the order of a workload's items."""
    return [record_of(item, scenario) for scenario in scenarios for item in scenario.items]


def scenario_record(scenario: Scenario) -> ScenarioRecord:
    """Return a scenario as evidence records it."""
    executor = scenario.executor
    return ScenarioRecord(
        name=scenario.name,
        executor=executor.name,
        closed_loop=executor.closed_loop,
        users=executor.users,
        max_users=executor.max_users,
        rate=executor.rate,
        time_unit_us=executor.time_unit_us,
        rate_per_second=executor.rate_per_second,
        stages=[
            Stage(target=stage.target, duration_seconds=stage.duration_us / _US_PER_S)
            for stage in executor.stages
        ],
        iterations=executor.iterations,
        duration_seconds=executor.duration_us / _US_PER_S,
        ramp_seconds=executor.ramp_us / _US_PER_S,
        start_us=scenario.start_us,
        think=_span(scenario.think),
        pace=_span(scenario.pace),
        fresh=scenario.fresh,
        cookies=scenario.cookies,
        redirects=scenario.redirects,
        setup=scenario.setup,
        graceful_stop_us=scenario.graceful_stop_us if scenario.flows else 0,
    )


def _span(span: Span | None) -> SpanRecord | None:
    return None if span is None else SpanRecord(span.least_us, span.most_us)
