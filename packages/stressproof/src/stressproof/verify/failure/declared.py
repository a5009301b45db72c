"""The protocol's failure artifact as it is declared: the schema's fields, all optional."""

from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from stressproof.evidence.fields import Amount, Text
from stressproof.failures.artifact import FailureArtifact
from stressproof.verify.lenient_decoder import Form, Plain

_EVIDENCE = "evidence.md, Failure evidence"

_REQUIRED = dict.fromkeys(
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

PLAIN = Plain(
    schema=FailureArtifact,
    full_only=frozenset(
        {
            "schema_version",
            "clock",
            "seed",
            "target_before",
            "target_after",
            "runtime_before",
            "runtime_after",
            "unsafe",
            "stage",
            "subject.image_digest",
            "subject.artifact_digests",
            "scenarios[].spec",
            "scenarios[].seed",
            "scenarios[].reasons",
            "scenarios[].baseline",
            "scenarios[].trial",
            "summary.inconclusive_scenarios",
        }
    ),
    marks=frozenset(
        {
            "clock",
            "stage",
            "runtime_before",
            "scenarios[].spec",
            "scenarios[].baseline",
            "scenarios[].trial",
        }
    ),
    own={
        "status": Text,
        "executed_by": Text,
        "approved_by": Text,
        "scenarios[].status": Text,
        "scenarios[].duration_seconds": Amount,
        "scenarios[].result_tail": Annotated[str, Meta(max_length=65536)],
    },
    nullable=frozenset(),
    required=_REQUIRED,
)
FORM = Form(PLAIN, FailureArtifact)

DeclaredScenario: TypeAlias = Any
"""`stressproof.failures.artifact.Scenario`, every field of it optional."""
