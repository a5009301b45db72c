"""The domain against a simple model, through any sequence of operations.

The machine wires the pure functions together as the store does, in memory. The model beside it
knows nothing of waterfalls: it keeps whole numbers of credits and headroom, and what may happen
once. Money is in whole dollars, so that the model can be plain integers.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
)

from enforcement.domain import approvals, reservations, tokens
from enforcement.domain.approvals import Approval
from enforcement.domain.credits import Grant
from enforcement.domain.decision import Decision, Situation, decide, record
from enforcement.domain.enums import ApprovalState, CreditPool, Mode, Outcome, Role, Source
from enforcement.domain.errors import ConflictError
from enforcement.domain.identity import Caller
from enforcement.domain.policy import (
    ApprovalRules,
    Entitlements,
    ModeMatrix,
    PolicyDocument,
    SourceModes,
    materialise,
)
from enforcement.domain.request import gate_request
from enforcement.domain.reservations import CreditReservation
from enforcement.domain.waterfall import Budget, Standing

pytestmark = pytest.mark.gate

TENANT, MEMBER, OWNER = UUID(int=1), UUID(int=2), UUID(int=3)
REVIEWER = Caller(tenant_id=TENANT, principal_id=OWNER, role=Role.OWNER)
LIMIT = 100
AUTO_APPROVE = 40
START = datetime(2026, 2, 1, tzinfo=UTC)
_HARD = SourceModes(default=Mode.HARD)
POLICY = materialise(
    PolicyDocument(
        mode_matrix=ModeMatrix(terraform=_HARD, k8s_admission=_HARD),
        approval=ApprovalRules(required_nonprod=True),
        entitlements=Entitlements(auto_approve_below_monthly_usd=str(AUTO_APPROVE)),
    ),
    1,
)


class Held(msgspec.Struct):
    """One decision with a reservation, as the store would hold it."""

    decision: Decision
    credits: tuple[CreditReservation, ...]
    active: bool = True
    approval: Approval | None = None
    claims: tokens.Claims | None = None


class ControlPlane(RuleBasedStateMachine):
    """Gates, settlements, reviews and tokens in any order, watched by a ledger of integers."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.count = 100
        self.grants: dict[UUID, Grant] = {}
        self.all_held: list[Held] = []
        self.settled_usd = Decimal(0)
        # The model.
        self.credits_given = 0
        self.credits_left = 0
        self.credits_spent = 0
        self.budget_left = LIMIT
        self.settled: set[UUID] = set()
        self.tokens_spent: set[UUID] = set()

    def _id(self) -> UUID:
        self.count += 1
        return UUID(int=self.count)

    @rule(amount=st.integers(1, 80), pool=st.sampled_from(CreditPool))
    def grant(self, amount: int, pool: CreditPool) -> None:
        """Give credit."""
        grant = Grant(
            grant_id=self._id(),
            pool=pool,
            scope_key="default",
            total_usd=Decimal(amount),
            remaining_usd=Decimal(amount),
            created_at=self.now,
        )
        self.grants[grant.grant_id] = grant
        self.credits_given += amount
        self.credits_left += amount

    def _decide(self, amount: int) -> Held | Outcome:
        request = gate_request(
            source=Source.TERRAFORM,
            action="create",
            resource_reference=f"r{self.count}",
            estimated_monthly_delta_usd=str(amount),
        )
        committed = sum(
            (item.decision.allocation_usd for item in self.all_held if item.active),
            start=Decimal(0),
        )
        budget = Budget(
            scope_key="default",
            monthly_limit_usd=Decimal(LIMIT),
            committed_usd=committed + self.settled_usd,
        )
        standing = Standing(
            committed_usd=committed, budget=budget, grants=tuple(self.grants.values())
        )
        judged = decide(
            request, Situation(policy=POLICY, standing=standing, costs=(), now=self.now)
        )
        decision = record(
            request,
            judged,
            POLICY,
            decision_id=self._id(),
            tenant_id=TENANT,
            created_by=MEMBER,
            created_at=self.now,
            approval_id=None if judged.routing is None else self._id(),
        )
        if not judged.reservation_active:
            return judged.outcome
        for item in judged.draws:
            source = self.grants[item.grant_id]
            left = source.remaining_usd - item.amount_usd
            self.grants[item.grant_id] = msgspec.structs.replace(source, remaining_usd=left)
        approval = None
        if judged.routing is not None and decision.approval_id is not None:
            approval = Approval(
                approval_id=decision.approval_id,
                tenant_id=TENANT,
                decision_id=decision.decision_id,
                state=ApprovalState.PENDING,
                routing=judged.routing,
                requested_by=MEMBER,
                requested_at=self.now,
                expires_at=self.now + timedelta(seconds=decision.ttl_seconds),
            )
        return Held(
            decision=decision,
            credits=tuple(
                CreditReservation(grant_id=d.grant_id, reserved_usd=d.amount_usd)
                for d in judged.draws
            ),
            approval=approval,
        )

    @rule(target=held, amount=st.integers(0, 120))
    def gate(self, amount: int) -> object:
        """Ask; the model says from two integers what must be answered."""
        fundable = amount <= max(self.budget_left, 0) + self.credits_left
        answer = self._decide(amount)
        if not fundable:
            assert answer is Outcome.DENY
            return multiple()
        if amount == 0:
            assert answer is Outcome.ALLOW
            return multiple()
        assert isinstance(answer, Held)
        from_budget = min(amount, max(self.budget_left, 0))
        self.budget_left -= from_budget
        self.credits_left -= amount - from_budget
        expected = Outcome.ALLOW if from_budget == amount else Outcome.ALLOW_WITH_CREDITS
        if amount > AUTO_APPROVE:
            expected = Outcome.REQUIRE_APPROVAL
        assert answer.decision.outcome is expected
        assert answer.decision.allocation_usd == from_budget
        self.all_held.append(answer)
        return answer

    def _give_back(self, item: Held, settled: tuple[CreditReservation, ...]) -> None:
        item.active = False
        for credit in settled:
            source = self.grants[credit.grant_id]
            self.grants[credit.grant_id] = msgspec.structs.replace(
                source, remaining_usd=source.remaining_usd + credit.released_usd
            )

    @rule(item=held, actual=st.integers(0, 150))
    def reconcile(self, item: Held, actual: int) -> None:
        """Settle; a second time changes nothing."""
        if not item.active:
            return
        done = reservations.settle(item.decision.allocation_usd, item.credits, Decimal(actual))
        self._give_back(item, done.credits)
        self.settled_usd += done.allocation_spent_usd
        assert item.decision.decision_id not in self.settled
        self.settled.add(item.decision.decision_id)
        allocation, credit = int(item.decision.allocation_usd), int(item.decision.credits_usd)
        consumed = min(credit, max(0, actual - allocation))
        self.credits_spent += consumed
        self.credits_left += credit - consumed
        self.budget_left += allocation - (actual - consumed)

    @rule(item=held)
    def sweep(self, item: Held) -> None:
        """Release as overdue."""
        if item.active:
            self._release(item)

    def _release(self, item: Held) -> None:
        self._give_back(item, reservations.release(item.credits))
        self.budget_left += int(item.decision.allocation_usd)
        self.credits_left += int(item.decision.credits_usd)

    @rule(item=held, verdict=st.sampled_from([ApprovalState.APPROVED, ApprovalState.DENIED]))
    def review(self, item: Held, verdict: ApprovalState) -> None:
        """Approve or deny; only a pending, unexpired request moves."""
        if item.approval is None:
            return
        before = item.approval
        try:
            moved = approvals.review(before, REVIEWER, verdict=verdict, notes="", now=self.now)
        except ConflictError:
            assert before.state is not ApprovalState.PENDING
            return
        assert before.state is ApprovalState.PENDING
        expired = self.now >= before.expires_at
        assert moved.state is (ApprovalState.EXPIRED if expired else verdict)
        if moved.state is ApprovalState.APPROVED:
            item.claims = tokens.issue(moved, item.decision, token_id=self._id(), now=self.now)
            moved = msgspec.structs.replace(
                moved,
                token_sha256=tokens.token_sha256(item.claims.jti),
                token_expires_at=self.now + timedelta(seconds=item.decision.ttl_seconds),
            )
        elif item.active:
            self._release(item)
        item.approval = moved

    @rule(item=held)
    def consume(self, item: Held) -> None:
        """Spend the token; the model knows only that it may happen once, in time."""
        if item.claims is None or item.approval is None:
            return
        approval = item.approval
        spent = approval.approval_id in self.tokens_spent
        late = approval.token_expires_at is None or self.now >= approval.token_expires_at
        try:
            tokens.demand_consumable(
                item.claims,
                tokens.token_sha256(item.claims.jti),
                approval,
                item.decision,
                tokens.Expectations(),
                self.now,
            )
        except ConflictError:
            assert spent or late
            return
        assert not spent
        assert not late
        self.tokens_spent.add(approval.approval_id)
        item.approval = msgspec.structs.replace(approval, token_consumed_at=self.now)

    @rule(minutes=st.integers(1, 30))
    def wait(self, minutes: int) -> None:
        """Let time pass, past expiries too."""
        self.now += timedelta(minutes=minutes)

    @invariant()
    def credits_are_conserved(self) -> None:
        """Given = left + held + spent, in the domain's amounts and in the model's."""
        left = sum(int(grant.remaining_usd) for grant in self.grants.values())
        assert left == self.credits_left
        holding = sum(int(i.decision.credits_usd) for i in self.all_held if i.active)
        assert self.credits_given == left + holding + self.credits_spent
        for grant in self.grants.values():
            assert 0 <= grant.remaining_usd <= grant.total_usd

    @invariant()
    def the_budget_is_what_the_model_says(self) -> None:
        """Active allocations and settled costs leave exactly the model's headroom."""
        active = sum(int(i.decision.allocation_usd) for i in self.all_held if i.active)
        assert self.budget_left + active + int(self.settled_usd) == LIMIT


ControlPlane.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestControlPlane = ControlPlane.TestCase
