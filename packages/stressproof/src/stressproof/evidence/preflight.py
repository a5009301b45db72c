"""Whether every endpoint worked before load began."""

from msgspec import Struct

from stressproof.evidence.fields import Amount, Text
from stressproof.evidence.measurements import Count


class PreflightCheck(Struct, frozen=True, forbid_unknown_fields=True):
    """One attempt at one endpoint before any load."""

    endpoint: Text
    attempt: Count
    status_code: int | None
    ok: bool
    latency_ms: Amount
    error: Text


class PreflightFailure(Struct, frozen=True, forbid_unknown_fields=True):
    """An endpoint that no attempt could use."""

    endpoint: Text
    error: Text


class Preflight(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether every endpoint worked before load began; ``passed`` is null where it was skipped."""

    enabled: bool
    passed: bool | None
    attempts_per_endpoint: Count
    request_timeout_seconds: Amount
    checks: list[PreflightCheck]
    failures: list[PreflightFailure]
