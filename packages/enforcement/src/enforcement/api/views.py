"""Answers as they go over the wire; money is text, instants are RFC 3339 in UTC."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from enforcement.domain.credits import Grant
from enforcement.domain.decision import Decision
from enforcement.domain.enums import (
    ApprovalState,
    CreditPool,
    Mode,
    Outcome,
    Permission,
    Role,
    SettlementStatus,
)
from enforcement.domain.money import monthly_text
from enforcement.domain.policy import Policy, PolicyDocument
from enforcement.domain.reservations import Reconciliation
from enforcement.domain.timestamps import rfc3339
from enforcement.domain.waterfall import Budget
from enforcement.store.approvals import Reviewed
from enforcement.store.limits import APPROVAL, GATE, READ, WRITE, Limits
from enforcement.store.reservations import ActiveReservation, Reconciled, Sweep

Usd = Annotated[str, Meta(pattern=r"^-?[0-9]+\.[0-9]{4}$")]
Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """A policy at its version; version 0 is the built-in one, before any was set."""

    version: int
    sha256: Sha256
    document: PolicyDocument

    @classmethod
    def of(cls, policy: Policy) -> "PolicyView":
        """Show a policy."""
        return cls(version=policy.version, sha256=policy.sha256, document=policy.document)


class BudgetView(msgspec.Struct, frozen=True, kw_only=True):
    """A scope's monthly limit and what is left of it."""

    scope_key: str
    monthly_limit_usd: Usd
    committed_usd: Usd
    headroom_usd: Usd
    active: bool

    @classmethod
    def of(cls, budget: Budget) -> "BudgetView":
        """Show a budget."""
        return cls(
            scope_key=budget.scope_key,
            monthly_limit_usd=monthly_text(budget.monthly_limit_usd),
            committed_usd=monthly_text(budget.committed_usd),
            headroom_usd=monthly_text(budget.headroom_usd),
            active=budget.active,
        )


class CreditView(msgspec.Struct, frozen=True, kw_only=True):
    """A grant of credit and what is left of it."""

    grant_id: UUID
    pool_type: CreditPool
    scope_key: str
    total_amount_usd: Usd
    remaining_amount_usd: Usd
    reason: str
    created_at: Instant
    expires_at: Instant | None
    created_by: UUID | None

    @classmethod
    def of(cls, grant: Grant) -> "CreditView":
        """Show a grant."""
        return cls(
            grant_id=grant.grant_id,
            pool_type=grant.pool,
            scope_key=grant.scope_key,
            total_amount_usd=monthly_text(grant.total_usd),
            remaining_amount_usd=monthly_text(grant.remaining_usd),
            reason=grant.reason,
            created_at=rfc3339(grant.created_at),
            expires_at=None if grant.expires_at is None else rfc3339(grant.expires_at),
            created_by=grant.created_by,
        )


class GateView(msgspec.Struct, frozen=True, kw_only=True):
    """A gate's decision.

    Attributes:
        approval_token: Always null: tokens are handed out by an approval alone.
        fail_safe: Made without the database, from the last policy known; it is journalled, and
            written to the ledger when the database is back. The same key may be asked again.
        replayed: The decision had been made before, under the same idempotency key.
    """

    decision: Outcome
    reason_codes: tuple[str, ...]
    decision_id: UUID
    mode: Mode
    policy_version: int
    policy_sha256: Sha256
    approval_required: bool
    approval_request_id: UUID | None
    approval_token: None
    approval_token_contract: str
    ttl_seconds: int
    request_fingerprint: Sha256
    idempotency_key: str
    reservation_active: bool
    reserved_monthly_usd: Usd
    reserved_credits_usd: Usd
    dry_run: bool
    fail_safe: bool
    fail_safe_trigger: str | None
    replayed: bool
    decided_at: Instant
    stages: list[dict[str, Any]]
    computed_context: dict[str, Any] | None

    @classmethod
    def of(cls, decision: Decision, *, replayed: bool) -> "GateView":
        """Show a decision."""
        details: dict[str, Any] = msgspec.json.decode(decision.details_text)
        return cls(
            decision=decision.outcome,
            reason_codes=decision.reason_codes,
            decision_id=decision.decision_id,
            mode=decision.mode,
            policy_version=decision.policy_version,
            policy_sha256=decision.policy_sha256,
            approval_required=decision.approval_required,
            approval_request_id=decision.approval_id,
            approval_token=None,
            approval_token_contract="approval_flow_only",  # noqa: S106  # a contract's name
            ttl_seconds=decision.ttl_seconds,
            request_fingerprint=decision.fingerprint,
            idempotency_key=decision.idempotency_key,
            reservation_active=decision.reservation_active,
            reserved_monthly_usd=monthly_text(decision.reserved_usd),
            reserved_credits_usd=monthly_text(decision.credits_usd),
            dry_run=decision.dry_run,
            fail_safe=decision.failsafe,
            fail_safe_trigger=details["fail_safe_trigger"],
            replayed=replayed,
            decided_at=rfc3339(decision.created_at),
            stages=details["stages"],
            computed_context=details["computed_context"],
        )


class ApprovalView(msgspec.Struct, frozen=True, kw_only=True):
    """An approval request, where it stands, and what it is about.

    Attributes:
        approval_token: Only in the answer to its approval; it is not kept and cannot be had again.
    """

    approval_id: UUID
    decision_id: UUID
    state: ApprovalState
    routing_rule: str | None
    required_permission: Permission
    allowed_roles: tuple[Role, ...]
    require_separation: bool
    requested_by: UUID
    requested_at: Instant
    expires_at: Instant
    notes: str
    reviewed_by: UUID | None
    reviewed_at: Instant | None
    review_notes: str
    token_consumed_at: Instant | None
    decision: Outcome
    source: str
    project_id: str
    environment: str
    action: str
    resource_reference: str
    max_monthly_delta_usd: Usd
    request_fingerprint: Sha256
    reservation_active: bool
    approval_token: str | None = None
    token_expires_at: Instant | None = None

    @classmethod
    def of(cls, reviewed: Reviewed) -> "ApprovalView":
        """Show an approval with its decision."""
        approval, decision = reviewed.approval, reviewed.decision
        return cls(
            approval_id=approval.approval_id,
            decision_id=approval.decision_id,
            state=approval.state,
            routing_rule=approval.routing.rule,
            required_permission=approval.routing.required_permission,
            allowed_roles=approval.routing.allowed_roles,
            require_separation=approval.routing.require_separation,
            requested_by=approval.requested_by,
            requested_at=rfc3339(approval.requested_at),
            expires_at=rfc3339(approval.expires_at),
            notes=approval.notes,
            reviewed_by=approval.reviewed_by,
            reviewed_at=_instant(approval.reviewed_at),
            review_notes=approval.review_notes,
            token_consumed_at=_instant(approval.token_consumed_at),
            decision=decision.outcome,
            source=decision.source.value,
            project_id=decision.project_id,
            environment=decision.environment,
            action=decision.action,
            resource_reference=decision.resource_reference,
            max_monthly_delta_usd=monthly_text(decision.monthly_delta_usd),
            request_fingerprint=decision.fingerprint,
            reservation_active=decision.reservation_active,
            approval_token=reviewed.token,
            token_expires_at=_instant(approval.token_expires_at),
        )


class ReservationView(msgspec.Struct, frozen=True, kw_only=True):
    """An active reservation."""

    decision_id: UUID
    source: str
    project_id: str
    environment: str
    action: str
    resource_reference: str
    decision: Outcome
    reserved_monthly_usd: Usd
    reserved_allocation_usd: Usd
    reserved_credits_usd: Usd
    created_at: Instant
    age_seconds: int

    @classmethod
    def of(cls, active: ActiveReservation) -> "ReservationView":
        """Show a reservation."""
        decision = active.decision
        return cls(
            decision_id=decision.decision_id,
            source=decision.source.value,
            project_id=decision.project_id,
            environment=decision.environment,
            action=decision.action,
            resource_reference=decision.resource_reference,
            decision=decision.outcome,
            reserved_monthly_usd=monthly_text(decision.reserved_usd),
            reserved_allocation_usd=monthly_text(decision.allocation_usd),
            reserved_credits_usd=monthly_text(decision.credits_usd),
            created_at=rfc3339(decision.created_at),
            age_seconds=active.age_seconds,
        )


class ReconciliationView(msgspec.Struct, frozen=True, kw_only=True):
    """A settled reservation."""

    decision_id: UUID
    status: SettlementStatus
    actual_monthly_delta_usd: Usd
    reserved_usd: Usd
    drift_usd: Usd
    allocation_spent_usd: Usd
    credits_consumed_usd: Usd
    released_usd: Usd
    idempotency_key: str
    notes: str
    reconciled_by: UUID
    reconciled_at: Instant
    replayed: bool

    @classmethod
    def of(cls, result: Reconciliation, *, replayed: bool = False) -> "ReconciliationView":
        """Show a settlement."""
        return cls(
            decision_id=result.decision_id,
            status=result.status,
            actual_monthly_delta_usd=monthly_text(result.actual_usd),
            reserved_usd=monthly_text(result.reserved_usd),
            drift_usd=monthly_text(result.drift_usd),
            allocation_spent_usd=monthly_text(result.allocation_spent_usd),
            credits_consumed_usd=monthly_text(result.credits_consumed_usd),
            released_usd=monthly_text(result.credits_released_usd),
            idempotency_key=result.idempotency_key,
            notes=result.notes,
            reconciled_by=result.reconciled_by,
            reconciled_at=rfc3339(result.reconciled_at),
            replayed=replayed,
        )

    @classmethod
    def settled(cls, settled: Reconciled) -> "ReconciliationView":
        """Show what a call to reconcile did, or had done before."""
        return cls.of(settled.reconciliation, replayed=settled.replayed)


class SweepView(msgspec.Struct, frozen=True, kw_only=True):
    """What an overdue sweep released."""

    released_count: int
    total_released_usd: Usd
    decision_ids: tuple[UUID, ...]
    swept_at: Instant

    @classmethod
    def of(cls, sweep: Sweep) -> "SweepView":
        """Show a sweep."""
        return cls(
            released_count=len(sweep.decision_ids),
            total_released_usd=monthly_text(sweep.released_usd),
            decision_ids=sweep.decision_ids,
            swept_at=rfc3339(sweep.swept_at),
        )


class LimitsView(msgspec.Struct, frozen=True, kw_only=True):
    """Requests a minute, of the tenant and of all tenants together; first those of gates."""

    tenant_per_minute: int
    global_per_minute: int
    read_tenant_per_minute: int
    read_global_per_minute: int
    write_tenant_per_minute: int
    write_global_per_minute: int
    approval_tenant_per_minute: int
    approval_global_per_minute: int

    @classmethod
    def of(cls, limits: Mapping[str, Limits]) -> "LimitsView":
        """Show the limits of each bucket."""
        return cls(
            tenant_per_minute=limits[GATE].tenant_per_minute,
            global_per_minute=limits[GATE].global_per_minute,
            read_tenant_per_minute=limits[READ].tenant_per_minute,
            read_global_per_minute=limits[READ].global_per_minute,
            write_tenant_per_minute=limits[WRITE].tenant_per_minute,
            write_global_per_minute=limits[WRITE].global_per_minute,
            approval_tenant_per_minute=limits[APPROVAL].tenant_per_minute,
            approval_global_per_minute=limits[APPROVAL].global_per_minute,
        )


class LedgerView(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger row; ``entry_hash`` covers it and the hash of the row before."""

    sequence: int
    event: str
    occurred_at: Instant
    actor: UUID
    decision_id: UUID | None
    decision_digest: Sha256 | None
    prev_hash: Sha256
    entry_hash: Sha256
    payload: dict[str, Any]


def _instant(value: Any) -> str | None:
    return None if value is None else rfc3339(value)
