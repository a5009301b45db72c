"""A load as GitLab's load performance report: k6's summary, which its merge request widget reads.

https://docs.gitlab.com/ci/testing/load_performance_testing/: the widget compares the metrics of
``--summary-export`` of k6 between a branch and its target.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from stressproof.evidence.derive import Totals
from stressproof.evidence.stress import StressArtifact
from stressproof.measure.histogram import P50_PPM, P90_PPM, P95_PPM, P99_PPM

_US_PER_MS = 1000
_QUANTILES = {"med": P50_PPM, "p(90)": P90_PPM, "p(95)": P95_PPM, "p(99)": P99_PPM}


def render(artifacts: Sequence[StressArtifact]) -> str:
    """Return the metrics of all rounds of some artifacts together; times in milliseconds.

    A figure of which there is no data is left out: k6 would write 0, which reads as very fast.
    """
    totals, elapsed_us = Totals(), 0
    for artifact in artifacts:
        for run in artifact.measurements.runs:
            totals.add(run.rows)
            elapsed_us += run.elapsed_us
    metrics: dict[str, dict[str, Any]] = {}
    if totals.completed and elapsed_us:
        failed = totals.completed - totals.succeeded
        metrics["http_reqs"] = {
            "count": totals.completed,
            "rate": totals.completed * 1_000_000 / elapsed_us,
        }
        metrics["http_req_failed"] = {
            "passes": failed,  # k6's words: its rate counts what is true of "failed"
            "fails": totals.succeeded,
            "value": failed / totals.completed,
        }
        metrics["http_req_duration"] = _trend(totals)
    raw = msgspec.json.encode({"metrics": metrics})
    return msgspec.json.format(raw, indent=2).decode() + "\n"


def _trend(totals: Totals) -> dict[str, float]:
    histogram = totals.corrected
    least, most = histogram.min_us or 0, histogram.max_us or 0
    trend = {
        "avg": histogram.sum_us / histogram.n / _US_PER_MS,
        "min": least / _US_PER_MS,
        "max": most / _US_PER_MS,
    }
    found = histogram.quantiles(list(_QUANTILES.values()))
    for name, value in zip(_QUANTILES, found, strict=True):
        if value is not None:
            trend[name] = value / _US_PER_MS
    return trend
