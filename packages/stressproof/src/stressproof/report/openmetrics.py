"""A load as OpenMetrics text, for whatever scrapes or pushes it: exact counts, no estimates.

Names and attributes are OpenTelemetry's for HTTP clients, as its rules for Prometheus spell them
(https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpclientrequestduration);
the form is OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/).
"""

from collections.abc import Iterator, Mapping, Sequence

from stressproof.evidence.derive import Totals, by_endpoint
from stressproof.evidence.stress import StressArtifact
from stressproof.measure.buckets import highest

_DURATION = "http_client_request_duration_seconds"
_REQUESTS = "stressproof_requests"
_BOUNDS_US = (
    *(5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000),
    *(1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000),
)
"""The bounds that the semantic conventions advise."""
_US_PER_S = 1_000_000


def render(artifacts: Sequence[StressArtifact]) -> str:
    """Return the measurements of some artifacts, each round and endpoint by itself."""
    lines = [
        f"# TYPE {_DURATION} histogram",
        f"# UNIT {_DURATION} seconds",
        f"# HELP {_DURATION} From the intended start of a request to the end of its answer.",
    ]
    for labels, totals in _cells(artifacts):
        lines += _histogram(labels, totals)
    lines += [
        f"# TYPE {_REQUESTS} counter",
        f"# HELP {_REQUESTS} Requests by how they ended; dropped found no free user.",
    ]
    for labels, totals in _cells(artifacts):
        for outcome, count in sorted({**totals.outcomes, "dropped": totals.dropped}.items()):
            if count:
                lines.append(f"{_REQUESTS}_total{_braces({**labels, 'outcome': outcome})} {count}")
    return "\n".join([*lines, "# EOF"]) + "\n"


def _cells(artifacts: Sequence[StressArtifact]) -> Iterator[tuple[dict[str, str], Totals]]:
    for artifact in artifacts:
        endpoints = artifact.workload.endpoints
        for run in artifact.measurements.runs:
            for endpoint, totals in zip(endpoints, by_endpoint(run, len(endpoints)), strict=True):
                yield (
                    {
                        "capture": artifact.captured_at,
                        "profile": artifact.profile,
                        "round": str(run.run_index),
                        "http_request_method": endpoint.method,
                        "url_template": endpoint.name,
                    },
                    totals,
                )


def _histogram(labels: Mapping[str, str], totals: Totals) -> Iterator[str]:
    """Yield cumulative buckets; a value counts below a bound where all of its bucket does."""
    histogram = totals.corrected
    ascending = sorted(histogram.counts.items())
    below, at = 0, 0
    for bound_us in _BOUNDS_US:
        while at < len(ascending) and highest(ascending[at][0]) <= bound_us:
            below += ascending[at][1]
            at += 1
        yield f"{_DURATION}_bucket{_braces({**labels, 'le': f'{bound_us / _US_PER_S}'})} {below}"
    yield f"{_DURATION}_bucket{_braces({**labels, 'le': '+Inf'})} {histogram.n}"
    yield f"{_DURATION}_count{_braces(labels)} {histogram.n}"
    yield f"{_DURATION}_sum{_braces(labels)} {histogram.sum_us / _US_PER_S}"


def _braces(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
