"""The protocol's failure artifact as it is declared, typed."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from stressproof.evidence.measurements import Count
from stressproof.evidence.stress import Amount, Text
from stressproof.verify.lenient_decoder import ITEMS_MAX, LenientDecoder
from stressproof.verify.subject import DeclaredSubject

Texts = Annotated[list[Text], Meta(max_length=ITEMS_MAX)]


class DeclaredScenario(Struct, frozen=True):
    """One failure that was injected."""

    id: Text | None = None
    status: Text | None = None
    duration_seconds: Amount | None = None
    checks: Texts | None = None
    evidence_refs: Texts | None = None
    command: Text | None = None
    result_tail: Annotated[str, Meta(max_length=65536)] | None = None


class DeclaredSummary(Struct, frozen=True):
    """What the scenarios add up to."""

    total_scenarios: Count | None = None
    passed_scenarios: Count | None = None
    failed_scenarios: Count | None = None
    overall_passed: bool | None = None


class DeclaredInjection(Struct, frozen=True):
    """The artifact."""

    profile: Text | None = None
    runner: Text | None = None
    execution_class: Text | None = None
    status: Text | None = None
    started_at: Text | None = None
    captured_at: Text | None = None
    executed_by: Text | None = None
    approved_by: Text | None = None
    subject: DeclaredSubject | None = None
    scenarios: list[DeclaredScenario] | None = None
    summary: DeclaredSummary | None = None


_EVIDENCE = "evidence.md, Failure evidence"

REQUIRED: dict[str, str] = dict.fromkeys(
    (
        "profile",
        "runner",
        "execution_class",
        "captured_at",
        "executed_by",
        "approved_by",
        "scenarios",
        "scenarios[].id",
        "scenarios[].status",
        "scenarios[].duration_seconds",
        "scenarios[].checks",
        "scenarios[].evidence_refs",
        "summary",
        "summary.total_scenarios",
        "summary.passed_scenarios",
        "summary.failed_scenarios",
        "summary.overall_passed",
    ),
    _EVIDENCE,
)
"""Fields without which failure evidence cannot be judged."""

NULLABLE = frozenset({"subject.git_commit", "subject.git_dirty"})


def read_injection(data: dict[str, Any]) -> tuple[DeclaredInjection, LenientDecoder]:
    """Return the fields of a failure artifact, and what was wrong or unknown about them."""
    lenient_decoder = LenientDecoder(REQUIRED, NULLABLE)
    declared = lenient_decoder.struct(DeclaredInjection, data)
    return declared or DeclaredInjection(), lenient_decoder
