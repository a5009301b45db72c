"""Evidence to a verdict in one call, for programs."""

from pathlib import Path

from stressproof.config.failure_requirements import FailureRequirements
from stressproof.config.stress_requirements import StressRequirements
from stressproof.evidence.encoding import encode
from stressproof.evidence.reading import Document, parse_document
from stressproof.evidence.stress import StressArtifact
from stressproof.failures.artifact import FailureArtifact
from stressproof.verify.failure.verifier import FAILURE
from stressproof.verify.instants import now_us
from stressproof.verify.kind import Unread, read_or_reason
from stressproof.verify.stress.verifier import STRESS
from stressproof.verify.verdict import Verdict

IN_MEMORY = "(in memory)"


def verify(
    evidence: Path | str | StressArtifact | FailureArtifact,
    requirements: StressRequirements | FailureRequirements,
    *,
    checkout: Path | str = ".",
    at_us: int | None = None,
) -> Verdict:
    """Judge evidence, and return the verdict with every reason.

    Args:
        evidence: A file, or what a capture or an injection returned.
        requirements: What is asked of it: a suite's, or your own. ``for_gate()`` is what a release
            gate asks.
        checkout: The folder that references of failure evidence are relative to.
        at_us: The time, in microseconds since 1970; now if None.
    """
    kind = STRESS if isinstance(requirements, StressRequirements) else FAILURE
    document: Document | Unread
    if isinstance(evidence, Path | str):
        path, document = str(evidence), read_or_reason(evidence)
    else:
        path, document = IN_MEMORY, parse_document(encode(evidence), IN_MEMORY)
    read = kind.evidence(document, path, checkout)
    return kind.judge(read, requirements, now_us() if at_us is None else at_us)
