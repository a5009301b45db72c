"""The closed sets of words the control plane speaks, each spelled as on the wire."""

from enum import StrEnum


class Source(StrEnum):
    """Where a gate request comes from."""

    TERRAFORM = "terraform"
    K8S_ADMISSION = "k8s_admission"
    CLOUD_EVENT = "cloud_event"


class Mode(StrEnum):
    """How strict enforcement is: observe, escalate or block."""

    SHADOW = "shadow"
    SOFT = "soft"
    HARD = "hard"


class Outcome(StrEnum):
    """What a gate answers."""

    ALLOW = "ALLOW"
    DENY = "DENY"
    REQUIRE_APPROVAL = "REQUIRE_APPROVAL"
    ALLOW_WITH_CREDITS = "ALLOW_WITH_CREDITS"


class CreditPool(StrEnum):
    """Which kind of credit a grant is."""

    RESERVED = "reserved"
    EMERGENCY = "emergency"


class ApprovalState(StrEnum):
    """Where an approval request stands; every state but ``pending`` is final."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class SettlementStatus(StrEnum):
    """How the real cost compared with what was reserved."""

    MATCHED = "matched"
    OVERAGE = "overage"
    SAVINGS = "savings"


class RiskClass(StrEnum):
    """How risky a change looks, from its computed context."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Role(StrEnum):
    """A principal's rank in its tenant; a higher rank passes every check of a lower one."""

    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """Return 0 for member, 1 for admin, 2 for owner."""
        return _RANKS[self]


_RANKS = {Role.MEMBER: 0, Role.ADMIN: 1, Role.OWNER: 2}


class Permission(StrEnum):
    """What a principal may review, apart from its role."""

    APPROVE_PROD = "remediation.approve.prod"
    APPROVE_NONPROD = "remediation.approve.nonprod"


class Plan(StrEnum):
    """What a tenant has bought."""

    FREE = "free"
    STARTER = "starter"
    PRO = "pro"
    ENTERPRISE = "enterprise"


class Feature(StrEnum):
    """What a plan unlocks."""

    POLICY_CONFIGURATION = "policy_configuration"
    API_ACCESS = "api_access"


class StageStatus(StrEnum):
    """What became of one stage of the funding waterfall."""

    PASSED = "passed"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"


class Event(StrEnum):
    """What a ledger row records."""

    DECISION = "decision"
    FAILSAFE = "decision.failsafe"
    VOIDED = "decision.voided"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_APPROVED = "approval.approved"
    APPROVAL_DENIED = "approval.denied"
    APPROVAL_EXPIRED = "approval.expired"
    APPROVAL_CANCELLED = "approval.cancelled"
    TOKEN_CONSUMED = "approval.token_consumed"  # noqa: S105  # an event's name, not a secret
    RECONCILED = "reservation.reconciled"
    RELEASED = "reservation.released"
    POLICY_UPDATED = "policy.updated"
    BUDGET_SET = "budget.set"
    CREDIT_GRANTED = "credit.granted"
    LIMITS_SET = "limits.set"
    TENANT_CREATED = "tenant.created"
    PLAN_SET = "tenant.plan_set"
    PRINCIPAL_SET = "principal.set"
    COSTS_RECORDED = "costs.recorded"
    STATE_ADOPTED = "state.adopted"
    ARCHIVED = "ledger.archived"


PLAN_FEATURES: dict[Plan, frozenset[Feature]] = {
    Plan.FREE: frozenset(),
    Plan.STARTER: frozenset(),
    Plan.PRO: frozenset(Feature),
    Plan.ENTERPRISE: frozenset(Feature),
}
