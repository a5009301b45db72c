"""The metrics that thresholds are about: k6's names, and what the measurements hold of each."""

from typing import Literal

from msgspec import Struct

Kind = Literal["trend", "rate", "counter", "gauge", "recovery"]
Dimension = Literal["time", "share", "count", "per_second"]

MEASURES: dict[Kind, tuple[str, ...]] = {
    "trend": ("avg", "min", "max", "med", "p"),
    "rate": ("rate", "count"),
    "counter": ("count", "rate"),
    "gauge": ("value",),
    "recovery": ("recovery",),
}
"""What can be computed of each kind: as in k6, and also the count of a rate (grafana/k6#1312)."""


class Metric(Struct, frozen=True):
    """One metric.

    Attributes:
        name: As k6 has it, where k6 has it.
        kind: Which measures it has.
        meaning: One line for people.
        recorded: Whether the measurements hold it; the others are understood and inconclusive.
    """

    name: str
    kind: Kind
    meaning: str
    recorded: bool = True

    def dimension(self, measure: str) -> Dimension:
        """Return what kind of quantity a measure of this metric is."""
        if self.kind in {"trend", "recovery"}:
            return "time"
        if measure == "rate":
            return "share" if self.kind == "rate" else "per_second"
        return "count"


_RECORDED = (
    Metric(
        "http_req_duration",
        "trend",
        "time from the intended start to the end of the answer (corrected)",
    ),
    Metric(
        "http_req_service_time",
        "trend",
        "time from the send to the end of the answer (uncorrected)",
    ),
    Metric("iteration_duration", "trend", "one iteration: a request, or a run of a flow"),
    Metric("http_req_failed", "rate", "share of requests that failed"),
    Metric("checks", "rate", "share of requests to endpoints with a check that passed it"),
    Metric("http_reqs", "counter", "requests completed"),
    Metric("iterations", "counter", "iterations completed: requests, and runs of flows"),
    Metric("dropped_iterations", "counter", "arrivals for which no virtual user was free"),
    Metric("vus_max", "gauge", "virtual users at most"),
    Metric("recovery", "recovery", "time from a fault's removal until the service works again"),
)

_UNRECORDED: tuple[tuple[Kind, str], ...] = (
    ("trend", "http_req_blocked http_req_connecting http_req_tls_handshaking"),
    ("trend", "http_req_sending http_req_waiting http_req_receiving group_duration"),
    ("trend", "ws_connecting ws_ping ws_session_duration grpc_req_duration"),
    ("trend", "browser_http_req_duration browser_web_vital_cls browser_web_vital_fcp"),
    ("trend", "browser_web_vital_fid browser_web_vital_inp browser_web_vital_lcp"),
    ("trend", "browser_web_vital_ttfb"),
    ("rate", "browser_http_req_failed"),
    ("counter", "data_received data_sent ws_sessions ws_msgs_sent ws_msgs_received"),
    ("counter", "browser_data_received browser_data_sent"),
    ("counter", "grpc_streams grpc_streams_msgs_sent grpc_streams_msgs_received"),
    ("gauge", "vus"),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _RECORDED} | {
    name: Metric(name, kind, "a metric of k6 that the measurements do not hold", recorded=False)
    for kind, names in _UNRECORDED
    for name in names.split()
}
"""Every metric that can be named."""

ALIASES = {
    "errors": "http_req_failed",
    "error_rate": "http_req_failed",
    "failures": "http_req_failed",
    "latency": "http_req_duration",
    "duration": "http_req_duration",
    "response_time": "http_req_duration",
    "requests": "http_reqs",
    "throughput": "http_reqs",
    "rps": "http_reqs",
    "dropped": "dropped_iterations",
}
"""Words that people try; not accepted, but answered with the right one."""

UNITS: dict[Dimension, tuple[str, ...]] = {
    "time": ("us", "ms", "s", "m", "h"),
    "share": ("%", "pp"),
    "count": (),
    "per_second": ("/s",),
}
"""The units that each dimension can be given in."""
