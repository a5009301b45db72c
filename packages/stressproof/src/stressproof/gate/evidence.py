"""The evidence that a gate asks for, read once and judged; nothing here decides."""

from pathlib import Path

from stressproof.gate.request import GateRequest
from stressproof.verify.kind import Evidence, read_or_reason
from stressproof.verify.verdict import Verdict


def read_evidence(request: GateRequest, root: Path) -> list[Evidence]:
    """Read all evidence that has a path, once; what cannot be read is kept as its reason.

    Args:
        request: What the gate asks.
        root: Top of the checkout, which references of failure evidence are relative to.
    """
    return [
        each.kind.evidence(read_or_reason(each.path), each.path, root)
        for each in request.evidence
        if each.path
    ]


def judge(
    evidence: Evidence, request: GateRequest, commits: tuple[str, ...], now_us: int
) -> Verdict:
    """Return the verdict on one document of evidence, read or not.

    Args:
        evidence: What was read.
        request: What the gate asks.
        commits: Those that the evidence may be about.
        now_us: The time, in microseconds since 1970.
    """
    asked = request.of(evidence.kind)
    return evidence.kind.judge(
        evidence,
        asked.bound_to(commits),
        now_us,
        dry_run=request.dry_run,
        loosened=asked.loosened,
    )
