"""JSON Schemas of what we read and write, from the types themselves (docs/schemas/)."""

import inspect
from typing import Any

import msgspec

from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.versions import SCHEMA_VERSION
from stressproof.failures.artifact import FailureArtifact
from stressproof.report.verdict_json import PublishedVerdict
from stressproof.trust.ledger import Entry
from stressproof.trust.policy import PolicyFile
from stressproof.trust.statement import (
    APPROVAL,
    EVIDENCE,
    PLAN,
    ApprovalPredicate,
    EvidencePredicate,
    PlanPredicate,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"

PUBLISHED: dict[str, tuple[type[msgspec.Struct], str]] = {
    "stress-artifact": (StressArtifact, f"Stress evidence of schema version {SCHEMA_VERSION}."),
    "failure-artifact": (
        FailureArtifact,
        f"Failure-injection evidence of schema version {SCHEMA_VERSION}.",
    ),
    "verdict": (PublishedVerdict, "What `stressproof verify --format json` writes."),
    "trust-policy": (PolicyFile, "trust/policy.toml, as JSON would have it."),
    "run-ledger-entry": (Entry, "A line of the run ledger."),
}
"""File name (without .json) to the type and what it is."""

PUBLISHED_PREDICATES: dict[str, tuple[type[msgspec.Struct], str]] = {
    "plan": (PlanPredicate, PLAN),
    "evidence": (EvidencePredicate, EVIDENCE),
    "approval": (ApprovalPredicate, APPROVAL),
}
"""File name (without .json) to the predicate and its type, which is the schema's id."""


def predicate_schema(name: str) -> bytes:
    """Return the schema of one of our own predicates as JSON ending in a newline.

    Raises:
        KeyError: There is no such predicate.
    """
    kind, uri = PUBLISHED_PREDICATES[name]
    comment = "Consumers refuse fields that they do not know."
    document = {"$schema": DIALECT, "$id": uri, "$comment": comment}
    document |= _dedented(msgspec.json.schema(kind))
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def schema(name: str) -> bytes:
    """Return one of the published schemas as JSON ending in a newline.

    Raises:
        KeyError: There is no such schema.
    """
    kind, what = PUBLISHED[name]
    generated = _dedented(msgspec.json.schema(kind))
    document = {"$schema": DIALECT, "title": f"stressproof {name}", "$comment": what, **generated}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _dedented(value: Any) -> Any:
    """Take the indentation out of docstrings: Python 3.13 does, and 3.11 does not."""
    if isinstance(value, dict):
        return {
            key: inspect.cleandoc(item)
            if key == "description" and isinstance(item, str)
            else _dedented(item)
            for key, item in value.items()
        }
    return [_dedented(item) for item in value] if isinstance(value, list) else value
