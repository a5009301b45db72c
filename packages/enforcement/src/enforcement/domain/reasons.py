"""Reason codes of decisions: lower case, stable, at most once in a decision."""

from collections.abc import Iterable
from typing import Final

from enforcement.domain.enums import Mode

NO_BUDGET_CONFIGURED: Final = "no_budget_configured"
WITHIN_BUDGET: Final = "within_budget"
RESERVED_CREDITS_USED: Final = "reserved_credits_used"
EMERGENCY_CREDITS_USED: Final = "emergency_credits_used"
PLAN_LIMIT_EXCEEDED: Final = "plan_limit_exceeded"
BUDGET_EXCEEDED: Final = "budget_exceeded"
ENTERPRISE_CEILING_EXCEEDED: Final = "enterprise_ceiling_exceeded"
HARD_DENY_THRESHOLD_EXCEEDED: Final = "hard_deny_threshold_exceeded"
CONTEXT_UNAVAILABLE: Final = "computed_context_unavailable"
APPROVAL_REQUIRED: Final = "approval_required"
AUTO_APPROVED: Final = "auto_approved"
COST_ANOMALY: Final = "cost_anomaly"
DRY_RUN: Final = "dry_run"

GATE_TIMEOUT: Final = "gate_timeout"
GATE_LOCK_TIMEOUT: Final = "gate_lock_timeout"
GATE_LOCK_CONTENDED: Final = "gate_lock_contended"
GATE_EVALUATION_ERROR: Final = "gate_evaluation_error"

VIOLATION_SUFFIX: Final = {
    Mode.SHADOW: "shadow_mode_override",
    Mode.SOFT: "soft_mode_escalation",
    Mode.HARD: "hard_mode_block",
}
FAILSAFE_SUFFIX: Final = {
    Mode.SHADOW: "shadow_mode_fail_open",
    Mode.SOFT: "soft_mode_fail_safe_escalation",
    Mode.HARD: "hard_mode_fail_closed",
}


def once(codes: Iterable[str]) -> tuple[str, ...]:
    """Return lower-cased codes without repeats, in order of first appearance."""
    return tuple(dict.fromkeys(code.lower() for code in codes))
