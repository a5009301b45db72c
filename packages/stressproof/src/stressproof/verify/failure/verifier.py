"""Failure evidence to a verdict."""

from collections.abc import Mapping, Sequence

from stressproof.config.failure_requirements import FailureRequirements
from stressproof.evidence.reading import Document
from stressproof.exits import Exit
from stressproof.verify.failure import document, scenarios, testbed, trials
from stressproof.verify.failure.case import FailureCase
from stressproof.verify.instants import HOUR_US, parse_instant, show_instant
from stressproof.verify.rule import Judgement, Rule, prose, rule
from stressproof.verify.verdict import Figure, Verdict, encodable, overall, reached_level, shown


@rule(
    "failure.assurance",
    clause="evidence.md, Assurance (requirement minimum_level)",
    title="The evidence rests on as much as was asked for",
    remedy="Inject with this tool: its artifacts carry the witnesses behind every claim.",
)
def assurance(case: FailureCase, judgement: Judgement) -> None:
    """What the document carries can reach the level asked for."""
    wanted, possible = case.requirements.minimum_level, case.highest_level
    judgement.check(
        possible.rank >= wanted.rank,
        "$",
        prose(f"{possible} at most, without operations" if case.artifact is None else possible),
        prose(f"at least {wanted}"),
    )


RULES: Sequence[Rule[FailureCase]] = (
    *document.RULES,
    *scenarios.RULES,
    *trials.RULES,
    *testbed.RULES,
    assurance,
)
"""In the order in which a person would look."""


def verify(
    document: Document,
    requirements: FailureRequirements,
    now_us: int,
    *,
    files: Mapping[str, str],
    dry_run: bool = False,
    loosened: Sequence[str] = (),
) -> Verdict:
    """Judge one failure artifact.

    Args:
        document: What was read.
        requirements: What is asked of it.
        now_us: The time, in microseconds since 1970.
        files: What its references to files lead to (`stressproof.evidence.references.look_up`).
        dry_run: A rehearsal; the verdict says so.
        loosened: Floors that were loosened for it, one line each.
    """
    case = FailureCase(document, requirements, files, now_us)
    results = [each.apply(case) for each in RULES]
    outcome, code = overall(results, loosened=loosened)
    captured_at = case.declared.captured_at
    captured = None if captured_at is None else parse_instant(captured_at)
    subject = case.declared.subject
    return Verdict(
        kind="failure",
        path=encodable(document.path),
        sha256=document.sha256,
        size=document.size,
        outcome=outcome,
        exit_code=code,
        level=reached_level(results, case.highest_level),
        required_level=requirements.minimum_level,
        profile=shown(case.declared.profile),
        commit=shown(None if subject is None else subject.git_commit),
        captured_at=shown(captured_at),
        age_hours=None if captured is None else round((now_us - captured) / HOUR_US, 3),
        judged_at=show_instant(now_us),
        figures=_figures(case),
        results=results,
        dry_run=dry_run,
        loosened=list(loosened),
        would_pass=overall(results)[1] is Exit.PASS,
    )


def _figures(case: FailureCase) -> list[Figure]:
    total = len(case.scenarios)
    passed = sum(scenario.status == "pass" for scenario in case.scenarios)
    checked = sum(len(scenario.checks or []) for scenario in case.scenarios)
    return [
        Figure(
            "scenarios passed", passed, "scenarios", total, f">= {len(case.requirements.scenarios)}"
        ),
        Figure("checks", checked, "checks", checked),
    ]
