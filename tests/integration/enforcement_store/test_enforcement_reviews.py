"""Approvals on a real PostgreSQL: reviewed once, spent once, released when refused."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from uuid import uuid4

import msgspec
import pytest

from control_plane import Cluster, Staff, ask, make_staff
from enforcement.domain import tokens
from enforcement.domain.enums import ApprovalState, CreditPool
from enforcement.domain.errors import ConflictError, ForbiddenError, NotFoundError
from enforcement.domain.identity import Caller
from enforcement.domain.tokens import Claims, Expectations
from enforcement.store import approvals, budgets, gates, ledger
from enforcement.store import credits as grants
from enforcement.store.approvals import Reviewed
from enforcement.store.database import Database
from enforcement.store.settings import Safety


def _sign(claims: Claims) -> str:
    """Stand for the API's signature: unique and opaque is all the store needs."""
    return f"signed:{claims.jti}"


async def _escalated(db: Database, staff: Staff, monthly: str = "100") -> Reviewed:
    """Ask for something that needs approval, half of it paid by credit."""
    await budgets.put(db, staff.admin, scope_key="web", monthly_limit_usd=Decimal(50), active=True)
    await grants.grant(
        db,
        staff.admin,
        pool=CreditPool.RESERVED,
        scope_key="web",
        total_usd=Decimal(500),
        expires_at=None,
        reason="r",
    )
    answer = await gates.evaluate(db, staff.member, ask(monthly, environment="prod"))
    return await approvals.request(db, staff.member, answer.decision.decision_id, notes="please")


def _consume(db: Database, caller: Caller, claims: Claims, token: str) -> Awaitable[Reviewed]:
    return approvals.consume(
        db,
        caller,
        claims=claims,
        token_sha256=tokens.token_sha256(token),
        expectations=Expectations(),
    )


async def _approved(db: Database, staff: Staff) -> tuple[Reviewed, Claims, str]:
    pending = await _escalated(db, staff)
    seen: list[Claims] = []

    def sign(claims: Claims) -> str:
        seen.append(claims)
        return _sign(claims)

    done = await approvals.approve(
        db, staff.reviewer, pending.approval.approval_id, notes="fine", sign=sign
    )
    assert done.token is not None
    return done, seen[-1], done.token


def _events(cluster: Cluster, staff: Staff) -> list[str]:
    rows = cluster.sql(
        "SELECT event FROM enforcement.ledger WHERE tenant_id = %s ORDER BY sequence",
        staff.tenant_id,
    )
    return [event for (event,) in rows]


def _left(cluster: Cluster, staff: Staff) -> Decimal:
    rows = cluster.sql(
        "SELECT sum(remaining_usd) FROM enforcement.credit_grants WHERE tenant_id = %s",
        staff.tenant_id,
    )
    return Decimal(rows[0][0])


def test_asking_again_returns_the_request_there_is(cluster: Cluster, staff: Staff) -> None:
    """A decision has one approval request; the gate made it, and asking finds it."""

    async def work(db: Database) -> None:
        first = await _escalated(db, staff)
        again = await approvals.request(db, staff.admin, first.decision.decision_id, notes="x")
        assert again == first
        assert first.decision.approval_id == first.approval.approval_id

    cluster.run(work)


def test_a_decision_that_needs_no_approval_gets_none(cluster: Cluster, staff: Staff) -> None:
    """An ALLOW and an unknown decision have no request to return."""

    async def work(db: Database) -> None:
        allowed = await gates.evaluate(db, staff.member, ask("1"))
        with pytest.raises(ConflictError) as refusal:
            await approvals.request(db, staff.member, allowed.decision.decision_id, notes="")
        assert refusal.value.code == "approval_not_needed"
        with pytest.raises(NotFoundError):
            await approvals.request(db, staff.member, uuid4(), notes="")

    cluster.run(work)


def test_the_queue_holds_what_the_caller_may_review(cluster: Cluster, staff: Staff) -> None:
    """Role, permission and separation filter the queue exactly as they refuse a review."""

    async def work(db: Database) -> None:
        pending = await _escalated(db, staff)
        for caller in (staff.owner, staff.admin, staff.member, staff.reviewer):
            queued = await approvals.queue(db, caller, limit=50)
            allowed = caller in (staff.owner, staff.reviewer)
            assert bool(queued) is allowed
            if allowed:
                assert queued == [pending]
        own = await gates.evaluate(db, staff.owner, ask("100", environment="prod"))
        ids = {
            item.decision.decision_id for item in await approvals.queue(db, staff.owner, limit=9)
        }
        assert own.decision.decision_id not in ids

    cluster.run(work)


def test_the_queue_is_oldest_first_bounded_and_of_one_tenant(
    cluster: Cluster, staff: Staff
) -> None:
    """It is cut at the limit, and another tenant's requests are never in it."""

    async def work(db: Database) -> None:
        other = await make_staff(db)
        await _escalated(db, other)
        asked = [
            (await gates.evaluate(db, staff.member, ask("100", environment="prod"))).decision
            for _ in range(3)
        ]
        queued = await approvals.queue(db, staff.owner, limit=2)
        assert [item.decision.decision_id for item in queued] == [
            decision.decision_id for decision in asked[:2]
        ]

    cluster.run(work)


def test_an_approval_hands_out_a_token_that_is_stored_only_as_its_hash(
    cluster: Cluster, staff: Staff
) -> None:
    """The token is in the answer and nowhere in the database."""

    async def work(db: Database) -> str:
        done, _, token = await _approved(db, staff)
        assert done.approval.state is ApprovalState.APPROVED
        assert done.decision.reservation_active
        return token

    token = cluster.run(work)
    stored = cluster.sql(
        "SELECT token_sha256, a::text || coalesce((SELECT string_agg(payload, '')"
        " FROM enforcement.ledger l WHERE l.tenant_id = a.tenant_id), '')"
        " FROM enforcement.approvals a WHERE tenant_id = %s",
        staff.tenant_id,
    )
    assert stored[0][0] == tokens.token_sha256(token)
    assert token not in stored[0][1]


@pytest.mark.parametrize(
    ("who", "code"),
    [("member", "reviewer_role"), ("admin", "reviewer_permission")],
)
def test_a_reviewer_without_the_right_changes_nothing(
    cluster: Cluster, staff: Staff, who: str, code: str
) -> None:
    """The refusal leaves the request pending and the ledger as it was."""

    async def work(db: Database) -> None:
        pending = await _escalated(db, staff)
        before = _events(cluster, staff)
        with pytest.raises(ForbiddenError) as refusal:
            await approvals.deny(db, getattr(staff, who), pending.approval.approval_id, notes="")
        assert refusal.value.code == code
        assert _events(cluster, staff) == before

    cluster.run(work)


def test_a_denial_releases_budget_and_credits(cluster: Cluster, staff: Staff) -> None:
    """What was set aside is free again, once, and the ledger says so."""

    async def work(db: Database) -> None:
        pending = await _escalated(db, staff)
        assert _left(cluster, staff) == 450
        done = await approvals.deny(db, staff.reviewer, pending.approval.approval_id, notes="no")
        assert done.approval.state is ApprovalState.DENIED
        assert not done.decision.reservation_active
        with pytest.raises(ConflictError):
            await approvals.deny(db, staff.reviewer, pending.approval.approval_id, notes="no")

    cluster.run(work)
    assert _left(cluster, staff) == 500
    assert _events(cluster, staff)[-2:] == ["approval.denied", "reservation.released"]


@pytest.mark.parametrize("verdict", ["approve", "deny"])
def test_a_review_that_comes_too_late_expires_the_request(
    cluster: Cluster, staff: Staff, verdict: str
) -> None:
    """The expiry is committed, the credits come back, and the reviewer is told."""

    async def work(db: Database) -> None:
        pending = await _escalated(db, staff)
        _age(cluster, staff)
        approval_id = pending.approval.approval_id
        review: Callable[[], Awaitable[Reviewed]] = (
            (lambda: approvals.approve(db, staff.reviewer, approval_id, notes="", sign=_sign))
            if verdict == "approve"
            else (lambda: approvals.deny(db, staff.reviewer, approval_id, notes=""))
        )
        with pytest.raises(ConflictError) as refusal:
            await review()
        assert refusal.value.code == "approval_expired"
        with pytest.raises(ConflictError) as second:
            await review()
        assert second.value.code == "approval_not_pending"

    cluster.run(work)
    assert _left(cluster, staff) == 500
    assert _events(cluster, staff)[-2:] == ["approval.expired", "reservation.released"]


def _age(cluster: Cluster, staff: Staff) -> None:
    cluster.sql(
        "UPDATE enforcement.approvals SET expires_at = now() - interval '1 second'"
        " WHERE tenant_id = %s",
        staff.tenant_id,
    )


def test_requests_nobody_reviews_expire_by_themselves(cluster: Cluster, staff: Staff) -> None:
    """The sweep expires what is due, releases it, and leaves the rest alone."""

    async def work(db: Database) -> None:
        await _escalated(db, staff)
        _age(cluster, staff)
        await gates.evaluate(db, staff.member, ask("100", environment="prod"))
        assert await approvals.expire_overdue(db, staff.admin) == 1
        assert await approvals.expire_overdue(db, staff.admin) == 0
        assert len(await approvals.queue(db, staff.owner, limit=10)) == 1

    cluster.run(work)


@pytest.mark.parametrize("safety", [Safety(), Safety(lock=False)])
def test_fifty_consumers_of_one_token_and_one_succeeds(
    cluster: Cluster, staff: Staff, safety: Safety
) -> None:
    """Fifty at once: one is served, the others are replays, even with the tenant's lock off."""

    async def work(db: Database) -> None:
        _, claims, token = await _approved(db, staff)
        answers = await asyncio.gather(
            *(_consume(db, staff.member, claims, token) for _ in range(50)),
            return_exceptions=True,
        )
        served = [answer for answer in answers if isinstance(answer, Reviewed)]
        refused = [answer for answer in answers if isinstance(answer, ConflictError)]
        assert len(served) == 1
        assert {error.code for error in refused} == {"token_replayed"}
        assert len(refused) == 49

    cluster.run(work, pool_size=20, safety=safety)
    assert _events(cluster, staff).count("approval.token_consumed") == 1


def test_fifty_reviewers_of_one_request_and_one_decides(cluster: Cluster, staff: Staff) -> None:
    """Approvals and denials at once: one verdict, and credits released at most once."""

    async def work(db: Database) -> None:
        pending = await _escalated(db, staff)
        approval_id = pending.approval.approval_id
        answers = await asyncio.gather(
            *(
                approvals.approve(db, staff.reviewer, approval_id, notes="", sign=_sign)
                for _ in range(25)
            ),
            *(approvals.deny(db, staff.reviewer, approval_id, notes="") for _ in range(25)),
            return_exceptions=True,
        )
        assert sum(isinstance(answer, Reviewed) for answer in answers) == 1

    cluster.run(work, pool_size=20)
    verdicts = [e for e in _events(cluster, staff) if e in {"approval.approved", "approval.denied"}]
    assert len(verdicts) == 1
    assert _left(cluster, staff) in {Decimal(450), Decimal(500)}


def test_a_token_of_another_tenant_is_refused(cluster: Cluster, staff: Staff) -> None:
    """Neither as it is, nor with the tenant rewritten, does it find an approval."""

    async def work(db: Database) -> None:
        other = await make_staff(db)
        _, claims, token = await _approved(db, other)
        with pytest.raises(ForbiddenError):
            await _consume(db, staff.member, claims, token)
        moved = msgspec.structs.replace(claims, tenant_id=staff.tenant_id)
        with pytest.raises(NotFoundError):
            await _consume(db, staff.member, moved, token)

    cluster.run(work)


def test_the_claims_of_one_token_do_not_fit_another_approval(
    cluster: Cluster, staff: Staff
) -> None:
    """Approval ids swapped between two valid tokens are refused."""

    async def work(db: Database) -> None:
        _, first, _ = await _approved(db, staff)
        _, second, token = await _approved(db, staff)
        swapped = msgspec.structs.replace(
            second, approval_id=first.approval_id, decision_id=first.decision_id
        )
        with pytest.raises(ConflictError) as refusal:
            await _consume(db, staff.member, swapped, token)
        assert refusal.value.code == "token_replaced"

    cluster.run(work)


def test_reviews_and_consumption_are_in_a_ledger_that_verifies(
    cluster: Cluster, staff: Staff
) -> None:
    """Every step of an approval's life is a row of the chain."""

    async def work(db: Database) -> None:
        _, claims, token = await _approved(db, staff)
        await _consume(db, staff.member, claims, token)

    cluster.run(work)
    assert _events(cluster, staff)[-4:] == [
        "decision",
        "approval.requested",
        "approval.approved",
        "approval.token_consumed",
    ]
    (outcome,) = ledger.verify(cluster.owner_dsn, staff.tenant_id)
    assert outcome.fault is None
