"""Good failure artifacts to start from."""

from datetime import timedelta
from typing import Any

from forgeries.honest import COMMIT, NOW

CHECKS = {
    "FI-001": ["fail-safe decision within the timeout", "no reservation is left behind"],
    "FI-002": ["lock wait is bounded", "other tenants are unaffected"],
    "FI-003": ["a token is consumed at most once", "a tampered token is refused"],
    "FI-004": ["credits are conserved", "a reservation is settled once"],
    "FI-005": ["accepted requests stay within the cap", "quiet tenants keep their share"],
}


def plain() -> dict[str, Any]:
    """A plain protocol artifact: five scenarios, all passed, pointers into the artifact."""
    scenarios = [
        {
            "id": name,
            "status": "pass",
            "duration_seconds": 12.5 + place,
            "checks": checks,
            "evidence_refs": [f"#/scenarios/{place}/checks", f"#/scenarios/{place}/result_tail"],
            "command": f"stressproof inject --only {name}",
            "result_tail": f"{name}: 2 passed in {12.5 + place} s",
        }
        for place, (name, checks) in enumerate(CHECKS.items())
    ]
    return {
        "profile": "enforcement_failure_injection",
        "runner": "staged_failure_injection",
        "execution_class": "staged",
        "captured_at": (NOW - timedelta(hours=2)).isoformat(),
        "executed_by": "alice@example.com",
        "approved_by": "bob@example.com",
        "subject": {"git_commit": COMMIT, "git_dirty": False},
        "scenarios": scenarios,
        "summary": {
            "total_scenarios": 5,
            "passed_scenarios": 5,
            "failed_scenarios": 0,
            "overall_passed": True,
        },
    }
