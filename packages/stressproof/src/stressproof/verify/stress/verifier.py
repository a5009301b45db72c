"""Stress evidence to a verdict."""

from collections.abc import Sequence

from stressproof.config.stress_requirements import Requirements
from stressproof.evidence.limits import error_rate_percent
from stressproof.evidence.reading import Document
from stressproof.verify.instants import HOUR_US, show_instant
from stressproof.verify.rule import Judgement, Rule, prose, rule
from stressproof.verify.stress import (
    clocks,
    coverage,
    document,
    evaluation,
    figures,
    objectives,
    physics,
    preflight,
    provenance,
    recomputation,
    rows,
    service,
    timing,
)
from stressproof.verify.stress.case import StressCase
from stressproof.verify.verdict import Figure, Verdict, encodable, overall, reached_level, shown


@rule(
    "stress.assurance",
    clause="evidence.md, Assurance (requirement minimum_level)",
    title="The evidence rests on as much as was asked for",
    remedy="Capture with this tool: its artifacts carry the measurements behind every figure.",
)
def assurance(case: StressCase, judgement: Judgement) -> None:
    """What the document carries can reach the level asked for."""
    wanted, possible = case.requirements.minimum_level, case.highest_level
    judgement.check(
        possible.rank >= wanted.rank,
        "$",
        prose(f"{possible} at most, without measurements" if case.artifact is None else possible),
        prose(f"at least {wanted}"),
    )


RULES: Sequence[Rule[StressCase]] = (
    *document.RULES,
    *provenance.RULES,
    *preflight.RULES,
    *timing.RULES,
    *figures.RULES,
    *physics.RULES,
    *objectives.RULES,
    *evaluation.RULES,
    *rows.RULES,
    *recomputation.RULES,
    *clocks.RULES,
    *coverage.RULES,
    *service.RULES,
    assurance,
)
"""In the order in which a person would look."""


def verify(
    document: Document,
    requirements: Requirements,
    now_us: int,
    *,
    dry_run: bool = False,
    loosened: Sequence[str] = (),
) -> Verdict:
    """Judge one stress artifact.

    Args:
        document: What was read.
        requirements: What is asked of it.
        now_us: The time, in microseconds since 1970.
        dry_run: A rehearsal; the verdict says so.
        loosened: Floors that were loosened for it, one line each.
    """
    case = StressCase(document, requirements, now_us)
    results = [each.apply(case) for each in RULES]
    would_pass = overall(results)[1] == 0
    outcome, code = overall(results, loosened=loosened)
    captured = case.captured_us
    subject = case.declared.subject
    return Verdict(
        kind="stress",
        path=encodable(document.path),
        sha256=document.sha256,
        size=document.size,
        outcome=outcome,
        exit_code=code,
        level=reached_level(results, case.highest_level),
        required_level=requirements.minimum_level,
        profile=shown(case.declared.profile),
        commit=shown(None if subject is None else subject.git_commit),
        captured_at=shown(case.declared.captured_at),
        age_hours=None if captured is None else round((now_us - captured) / HOUR_US, 3),
        judged_at=show_instant(now_us),
        figures=_figures(case),
        results=results,
        dry_run=dry_run,
        loosened=list(loosened),
        would_pass=would_pass,
    )


def _figures(case: StressCase) -> list[Figure]:
    """Return what a reader wants to know first, each with the number of samples behind it."""
    results, asked = case.declared.results, case.requirements
    if results is None:
        return []
    total, rounds = results.total_requests or 0, len(case.runs)
    counts = [run.results.total_requests or 0 for run in case.runs if run.results is not None]
    fewest = min(counts, default=0)
    failed = results.failed_requests
    rate = None if failed is None or not total else round(error_rate_percent(failed, total), 4)
    return [
        Figure("rounds", rounds, "rounds", rounds, f">= {asked.min_rounds}"),
        Figure("requests", results.total_requests, "requests", total),
        Figure(
            "worst p95",
            results.p95_response_time,
            "s",
            fewest,
            f"<= {asked.max_p95_seconds:g}",
        ),
        Figure("worst p99", results.p99_response_time, "s", fewest),
        Figure("errors", rate, "%", total, f"<= {asked.max_error_rate_percent:g}"),
        Figure(
            "lowest throughput",
            case.declared.min_throughput_rps,
            "1/s",
            rounds,
            f">= {asked.min_throughput_rps:g}",
        ),
        Figure("mean throughput", results.throughput_rps, "1/s", rounds),
    ]
