"""The profiles: what to ask of a service, and the limits that go with it.

This is all that the tool knows of the enforcement service.
"""

import json

from msgspec import Struct

from stressproof.evidence.stress import Thresholds
from stressproof.workload.endpoints import Endpoint

_PREFIX = "/api/v1/enforcement"
_OK = (200,)


class Profile(Struct, frozen=True):
    """A named workload, with its default limits.

    Attributes:
        name: As ``--profile`` takes it.
        endpoints: In the order in which they are asked.
        thresholds: Defaults; an explicit flag replaces its own and no other.
        all_tenants: Whether requests rotate over every tenant that there are credentials for.
    """

    name: str
    endpoints: tuple[Endpoint, ...]
    thresholds: Thresholds
    all_tenants: bool = False


def read(path: str, check: str = "json") -> Endpoint:
    """Return a GET of a path, answered by 200 and JSON (`stressproof.workload.checks`)."""
    return Endpoint(name=path, method="GET", path=path, expected_statuses=_OK, check=check)


_HEALTH_LIVE = read("/health/live", "json:status")
_READS = (
    _HEALTH_LIVE,
    read(f"{_PREFIX}/policies"),
    read(f"{_PREFIX}/budgets"),
    read(f"{_PREFIX}/credits"),
    read(f"{_PREFIX}/approvals/queue?limit=50"),
    read(f"{_PREFIX}/ledger?limit=50"),
    # A mismatch is answered with 200: only the body tells.
    read(f"{_PREFIX}/exports/parity?limit=50", "json:parity_ok=true"),
)
_GATE = Endpoint(
    name=f"{_PREFIX}/gate/terraform",
    method="POST",
    path=f"{_PREFIX}/gate/terraform",
    # As many decisions as reads together: each is a transaction with a lock and a ledger row.
    weight=len(_READS),
    expected_statuses=_OK,
    check="json:decision,decision_id",
    # A key that no request had before: a repeated one would be answered from memory.
    headers={"Idempotency-Key": "{{uuid}}"},
    body=json.dumps(
        {
            "project_id": "stress",
            "environment": "nonprod",
            "action": "apply",
            "resource_reference": "aws_instance.stress_{{seq}}",
            "estimated_monthly_delta_usd": "0.0100",
        }
    ),
)

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="enforcement",
            endpoints=_READS,
            thresholds=Thresholds(
                max_p95_seconds=2.0, max_error_rate_percent=1.0, min_throughput_rps=0.5
            ),
        ),
        Profile(
            name="enforcement-write",
            endpoints=(_GATE, *_READS),
            thresholds=Thresholds(
                max_p95_seconds=2.0, max_error_rate_percent=1.0, min_throughput_rps=0.5
            ),
            all_tenants=True,
        ),
        Profile(
            name="health",
            endpoints=(_HEALTH_LIVE,),
            thresholds=Thresholds(
                max_p95_seconds=1.0, max_error_rate_percent=1.0, min_throughput_rps=1.0
            ),
        ),
        Profile(
            name="health_deep",
            endpoints=(_HEALTH_LIVE, read("/health", "json:status")),
            thresholds=Thresholds(
                max_p95_seconds=4.0, max_error_rate_percent=2.0, min_throughput_rps=0.2
            ),
        ),
    )
}
