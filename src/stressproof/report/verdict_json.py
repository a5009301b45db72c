"""A verdict as JSON (docs/schemas/verdict.json)."""

import msgspec

from stressproof.report.verdict_text import summary
from stressproof.report.verdicts import NOT_RELEASE
from stressproof.verify.verdict import Verdict


def as_data(verdict: Verdict) -> dict[str, object]:
    """Return the verdict as plain values, with what a reader would otherwise have to derive."""
    data: dict[str, object] = msgspec.to_builtins(verdict)
    data["release_evidence"] = verdict.is_release_evidence
    data["notice"] = NOT_RELEASE if verdict.dry_run or verdict.loosened else ""
    data["summary"] = summary(verdict)
    return data


def render(verdict: Verdict) -> str:
    """Return the verdict as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(as_data(verdict)), indent=2).decode() + "\n"
