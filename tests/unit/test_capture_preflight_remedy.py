"""What to do about a preflight that failed: every way of failing has a remedy that fits it."""

import msgspec
import pytest

from made_artifacts import Plan, honest
from stressproof.capture.preflight_remedy import preflight_remedy, unanswered_remedy
from stressproof.evidence.preflight import PreflightCheck
from stressproof.evidence.stress import StressArtifact


def failed_with(status: int | None, error: str = "") -> StressArtifact:
    """Return an artifact whose preflight failed so."""
    artifact: StressArtifact = honest.artifact(Plan())
    check = PreflightCheck("/x", 1, status, ok=False, latency_ms=1.0, error=error)
    preflight = msgspec.structs.replace(artifact.preflight, passed=False, checks=[check])
    return msgspec.structs.replace(artifact, preflight=preflight)


@pytest.mark.parametrize("status", [200, 399, 418, 503, 600, 999])
def test_every_status_has_a_remedy(status: int) -> None:
    """HTTP's grammar lets a status be any three digits, and servers send those beyond 599."""
    assert preflight_remedy(failed_with(status), None)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("reset: the connection was closed before an answer", "does not answer in HTTP"),
        ("protocol: not a status line: b'SSH-2.0'", "does not answer in HTTP"),
        ("reset: the connection was closed within an answer", "breaks off"),
        ("protocol: more than 16 interim answers in a row", "breaks HTTP's rules"),
    ],
)
def test_what_speaks_http_is_not_told_that_it_does_not(error: str, said: str) -> None:
    """TLS is suspected where no answer began, and nowhere else."""
    remedy = unanswered_remedy("http://localhost:1", error)
    assert said in remedy
    assert ("https://" in remedy) is (said == "does not answer in HTTP")
