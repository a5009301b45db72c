"""A verdict as JSON (docs/schemas/verdict.json)."""

import msgspec

from stressproof.report.verdict_text import summary
from stressproof.report.verdicts import NOT_RELEASE
from stressproof.verify.verdict import Verdict


class PublishedVerdict(Verdict, frozen=True, kw_only=True):
    """A verdict as it is published, with what a reader would otherwise have to derive.

    Attributes:
        release_evidence: Whether a promotion may rely on it.
        notice: ``NOT RELEASE EVIDENCE`` for a rehearsal, else empty.
        summary: The verdict as one line.
    """

    release_evidence: bool
    notice: str
    summary: str


def published(verdict: Verdict) -> PublishedVerdict:
    """Return the verdict with what follows from it."""
    fields = {name: getattr(verdict, name) for name in verdict.__struct_fields__}
    return PublishedVerdict(
        **fields,
        release_evidence=verdict.is_release_evidence,
        notice=NOT_RELEASE if verdict.dry_run or verdict.loosened else "",
        summary=summary(verdict),
    )


def as_data(verdict: Verdict) -> dict[str, object]:
    """Return the published verdict as plain values."""
    data: dict[str, object] = msgspec.to_builtins(published(verdict))
    return data


def render(verdict: Verdict) -> str:
    """Return the verdict as indented JSON."""
    raw = msgspec.json.encode(published(verdict))
    return msgspec.json.format(raw, indent=2).decode() + "\n"


def evidence_entry(verdict: Verdict) -> dict[str, object]:
    """Return what a decision says of the bytes that were judged."""
    return {
        "kind": verdict.kind,
        "path": verdict.path,
        "sha256": verdict.sha256,
        "size": verdict.size,
        "level": verdict.level,
        "commit": verdict.commit,
        "captured_at": verdict.captured_at,
    }
