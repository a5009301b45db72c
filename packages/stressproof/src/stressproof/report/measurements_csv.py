"""What was counted as CSV: a line for each endpoint in each second, for spreadsheets and plots."""

import csv
import io
from collections.abc import Iterator, Sequence

from stressproof.evidence.derive import Totals
from stressproof.evidence.measurements import Row
from stressproof.evidence.stress import Run, StressArtifact
from stressproof.measure.histogram import P50_PPM, P95_PPM, P99_PPM
from stressproof.verify.instants import parse_instant, show_instant

COLUMNS = (
    "file",
    "round",
    "at",
    "second",
    "seconds",
    "scenario",
    "endpoint",
    "intended",
    "started",
    "late",
    "dropped",
    "ok",
    "failed",
    "p50_us",
    "p95_us",
    "p99_us",
    "max_us",
    "errors",
)
"""``at`` is when the second began, ``seconds`` how many the line is about, ``errors`` the failures
by kind. Times are from the intended start; empty where nothing was sent."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_US_PER_S = 1_000_000


def csv_text(evidence: Sequence[tuple[str, StressArtifact]]) -> str:
    """Return all rounds of artifacts as CSV (RFC 4180, lines end with LF).

    Args:
        evidence: Each artifact with the name of its file.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for file, artifact in evidence:
        seconds = artifact.measurements.resolution_seconds
        for run, measured in zip(artifact.runs, artifact.measurements.runs, strict=True):
            for row in measured.rows:
                writer.writerow(_line(file, artifact, run, row, seconds))
    return text.getvalue()


def _line(
    file: str, artifact: StressArtifact, run: Run, row: Row, seconds: int
) -> Iterator[object]:
    """Yield the cells of `COLUMNS`."""
    totals = Totals().add([row])
    began_us = parse_instant(run.started_at)
    yield _text(file)
    yield run.run_index
    yield "" if began_us is None else show_instant(began_us + row.second * _US_PER_S)
    yield row.second
    yield seconds
    endpoint = artifact.workload.endpoints[row.endpoint]  # two scenarios may ask the same
    yield from (_text(endpoint.scenario), _text(endpoint.name))
    yield from (row.intended, row.started, row.late, row.dropped)
    yield from (totals.succeeded, totals.completed - totals.succeeded)
    yield from totals.corrected.quantiles((P50_PPM, P95_PPM, P99_PPM))
    yield totals.corrected.max_us
    yield " ".join(
        f"{kind}={count}" for kind, count in sorted(row.outcomes.items()) if kind != "ok" and count
    )


def _text(value: str) -> str:
    """Return a text that no spreadsheet takes for a formula: evidence may be a stranger's."""
    return f"'{value}" if value.startswith(_FORMULA) else value
