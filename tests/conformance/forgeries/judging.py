"""Bytes to a verdict, in process, the way the commands do it."""

import hashlib
from typing import Any

import msgspec
from forgeries.honest import NOW_US

from enforcement_suite.suite import SUITE
from stressproof.evidence.json_text import MalformedJson, parse_object
from stressproof.evidence.level import Level
from stressproof.evidence.reading import Document, UnreadableEvidenceError
from stressproof.verify.failure import verifier as failure_verifier
from stressproof.verify.stress import verifier as stress_verifier
from stressproof.verify.verdict import Verdict, unread


def judge(
    raw: bytes,
    kind: str = "stress",
    asked: dict[str, Any] | None = None,
    files: dict[str, str] | None = None,
    now_us: int = NOW_US,
) -> Verdict:
    """The verdict on some bytes."""
    digest = hashlib.sha256(raw).hexdigest()
    try:
        data = parse_object(raw)
    except MalformedJson as error:
        unreadable = UnreadableEvidenceError(
            error.seen, error.expected, hint=error.hint, path="x", sha256=digest, size=len(raw)
        )
        return unread(kind, unreadable, path="x", required_level=Level.DECLARED, now_us=now_us)
    document = Document(data, digest, len(raw), "x")
    if kind == "failure":
        failure = msgspec.structs.replace(SUITE.failure_requirements(), **_typed(asked))
        return failure_verifier.verify(document, failure, now_us, files=files or {})
    stress = msgspec.structs.replace(SUITE.stress_requirements(), **_typed(asked))
    return stress_verifier.verify(document, stress, now_us)


def _typed(asked: dict[str, Any] | None) -> dict[str, Any]:
    typed = dict(asked or {})
    if "minimum_level" in typed:
        typed["minimum_level"] = Level(typed["minimum_level"])
    return typed
