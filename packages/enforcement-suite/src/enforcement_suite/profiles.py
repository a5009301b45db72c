"""What a capture asks of the enforcement service."""

import json
from typing import Final

from enforcement_suite.suite import PREFIX
from stressproof.config.profile import HEALTH, HEALTH_DEEP, HEALTH_LIVE, Profile, read
from stressproof.workload.bodies import JsonBody
from stressproof.workload.requests import Request

_READS = (
    HEALTH_LIVE,
    read(f"{PREFIX}/policies"),
    read(f"{PREFIX}/budgets"),
    read(f"{PREFIX}/credits"),
    read(f"{PREFIX}/approvals/queue?limit=50"),
    read(f"{PREFIX}/ledger?limit=50"),
    # A mismatch is answered with 200: only the body tells. Nothing agrees with nothing as well, so
    # the tenant must have a past to compare.
    read(
        f"{PREFIX}/exports/parity?limit=50",
        "json:parity_ok=true,decisions,!decisions=0,!decisions=null",
    ),
)
_GATE = Request(
    name=f"{PREFIX}/gate/terraform",
    method="POST",
    path=f"{PREFIX}/gate/terraform",
    # As many decisions as reads together: each is a transaction with a lock and a ledger row.
    weight=len(_READS),
    expected_statuses=(200,),
    checks=("json:decision,decision_id",),
    # A key that no request had before: a repeated one would be answered from memory.
    headers={"Idempotency-Key": "{{uuid}}"},
    body=JsonBody(
        json.dumps(
            {
                "project_id": "stress",
                "environment": "nonprod",
                "action": "apply",
                "resource_reference": "aws_instance.stress_{{seq}}",
                "estimated_monthly_delta_usd": "0.0100",
            }
        )
    ),
)

PROFILES: Final = (
    Profile(name="enforcement", endpoints=_READS),
    Profile(name="enforcement-write", endpoints=(_GATE, *_READS), all_tenants=True),
    HEALTH,
    HEALTH_DEEP,
)
"""As ``--profile`` takes them."""
