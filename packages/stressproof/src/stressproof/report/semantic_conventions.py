"""A load under OpenTelemetry's names: what is counted of whom, for whatever form it is sent in.

https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpclientrequestduration
"""

from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.measure.buckets import highest
from stressproof.measure.histogram import Histogram

REQUEST_DURATION = "http.client.request.duration"
ITERATION_DURATION = "stressproof.iteration.duration"
REQUESTS = "stressproof.requests"
DROPPED = "stressproof.dropped_iterations"

DESCRIPTIONS = {
    REQUEST_DURATION: "From the intended start of a request to the end of its answer.",
    ITERATION_DURATION: "From the intended start of a run of a flow to its end.",
    REQUESTS: "Requests and runs of flows by how they ended.",
    DROPPED: "Iterations that were due and found no free user.",
}

BOUNDS_US = (
    *(5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000),
    *(1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000),
)
"""The bounds that the semantic conventions advise."""


def duration_name(endpoint: WorkloadEndpoint) -> str:
    """Return what the times of an endpoint are: a flow's run is no request."""
    return ITERATION_DURATION if endpoint.kind == "flow" else REQUEST_DURATION


def attributes_of(endpoint: WorkloadEndpoint) -> dict[str, str]:
    """Return what tells an endpoint from all others of its load."""
    attributes = {"stressproof.scenario": endpoint.scenario}
    if endpoint.flow is not None:
        attributes["stressproof.flow"] = endpoint.flow
    if endpoint.kind != "flow":
        attributes["http.request.method"] = endpoint.method
        attributes["url.template"] = endpoint.name
    return attributes


def bucket_counts(histogram: Histogram) -> list[int]:
    """Return how many values lie within each of `BOUNDS_US`, and last how many above.

    A value counts below a bound where all of its own bucket does: no count is an estimate.
    """
    ascending = sorted(histogram.counts.items())
    counts, at = [], 0
    for bound_us in BOUNDS_US:
        within = 0
        while at < len(ascending) and highest(ascending[at][0]) <= bound_us:
            within += ascending[at][1]
            at += 1
        counts.append(within)
    return [*counts, histogram.n - sum(counts)]
