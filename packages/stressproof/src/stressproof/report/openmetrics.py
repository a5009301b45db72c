"""A load as OpenMetrics text, for whatever scrapes or pushes it: exact counts, no estimates.

Names are OpenTelemetry's (`stressproof.report.semantic_conventions`), as its rules for Prometheus
spell them; the form is OpenMetrics 1.0
(https://prometheus.io/docs/specs/om/open_metrics_spec/).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from stressproof.evidence.derive import Totals, by_endpoint
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.report.semantic_conventions import (
    BOUNDS_US,
    DESCRIPTIONS,
    DROPPED,
    ITERATION_DURATION,
    REQUEST_DURATION,
    REQUESTS,
    attributes_of,
    bucket_counts,
    duration_name,
)

_US_PER_S = 1_000_000

Cell = tuple[WorkloadEndpoint, dict[str, str], Totals]
"""An endpoint in a round, its labels, what was counted."""


def render(artifacts: Sequence[StressArtifact]) -> str:
    """Return the measurements of some artifacts, each round and endpoint by itself."""
    cells = list(_cells(artifacts))
    lines: list[str] = []
    for name in (REQUEST_DURATION, ITERATION_DURATION):
        timed = [one for one in cells if duration_name(one[0]) == name]
        if timed:
            lines += _durations(f"{_spelt(name)}_seconds", DESCRIPTIONS[name], timed)
    lines += _counter(REQUESTS)
    for _, labels, totals in cells:
        for outcome, count in sorted(totals.outcomes.items()):
            if count:
                labelled = _braces({**labels, "outcome": outcome})
                lines.append(f"{_spelt(REQUESTS)}_total{labelled} {count}")
    lines += _counter(DROPPED)
    lines += [
        f"{_spelt(DROPPED)}_total{_braces(labels)} {totals.dropped}"
        for _, labels, totals in cells
        if totals.dropped
    ]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _spelt(name: str) -> str:
    return name.replace(".", "_")


def _cells(artifacts: Sequence[StressArtifact]) -> Iterator[Cell]:
    for artifact in artifacts:
        endpoints = artifact.workload.endpoints
        for run in artifact.measurements.runs:
            for endpoint, totals in zip(endpoints, by_endpoint(run, len(endpoints)), strict=True):
                own = attributes_of(endpoint).items()
                labels = {
                    "capture": artifact.captured_at,
                    "profile": artifact.profile,
                    "round": str(run.run_index),
                    **{_spelt(name.removeprefix("stressproof.")): value for name, value in own},
                }
                yield endpoint, labels, totals


def _counter(name: str) -> list[str]:
    return [f"# TYPE {_spelt(name)} counter", f"# HELP {_spelt(name)} {DESCRIPTIONS[name]}"]


def _durations(name: str, description: str, cells: Sequence[Cell]) -> Iterator[str]:
    yield f"# TYPE {name} histogram"
    yield f"# UNIT {name} seconds"
    yield f"# HELP {name} {description}"
    for _, labels, totals in cells:
        histogram = totals.corrected
        bounds = [*(f"{bound_us / _US_PER_S}" for bound_us in BOUNDS_US), "+Inf"]
        for bound, below in zip(bounds, accumulate(bucket_counts(histogram)), strict=True):
            yield f"{name}_bucket{_braces({**labels, 'le': bound})} {below}"
        yield f"{name}_count{_braces(labels)} {histogram.n}"
        yield f"{name}_sum{_braces(labels)} {histogram.sum_us / _US_PER_S}"


def _braces(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
