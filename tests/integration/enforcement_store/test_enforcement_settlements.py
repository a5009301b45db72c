"""Reservations on a real PostgreSQL: settled once, swept once, every credit accounted for."""

import asyncio
import random
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from control_plane import Cluster, Staff, ask
from enforcement.domain.decision import Decision
from enforcement.domain.enums import CreditPool, SettlementStatus
from enforcement.domain.errors import ConflictError, InvalidError, NotFoundError
from enforcement.store import approvals, budgets, gates, ledger, reservations
from enforcement.store import credits as grants
from enforcement.store.database import Database
from enforcement.store.reservations import Reconciled, Sweep
from enforcement.store.settings import Safety


async def _reserve(
    db: Database, staff: Staff, monthly: str = "100", environment: str = "sandbox"
) -> Decision:
    """Reserve an amount of which the budget pays 60 at most and credit the rest."""
    await budgets.put(db, staff.admin, scope_key="web", monthly_limit_usd=Decimal(60), active=True)
    if not await grants.listing(db, staff.admin):
        await grants.grant(
            db,
            staff.admin,
            pool=CreditPool.RESERVED,
            scope_key="web",
            total_usd=Decimal(1000),
            expires_at=None,
            reason="r",
        )
    answer = await gates.evaluate(db, staff.member, ask(monthly, environment=environment))
    return answer.decision


async def _settle(
    db: Database, staff: Staff, decision_id: UUID, actual: str, key: str = "key-1"
) -> Reconciled:
    return await reservations.reconcile(
        db,
        staff.admin,
        decision_id,
        actual_monthly_delta_usd=Decimal(actual),
        notes=None,
        idempotency_key=key,
    )


def _age(cluster: Cluster, staff: Staff) -> None:
    cluster.sql(
        "UPDATE enforcement.decisions SET created_at = created_at - interval '1 hour'"
        " WHERE tenant_id = %s",
        staff.tenant_id,
    )


def assert_money_conserved(cluster: Cluster, staff: Staff) -> None:
    """Check the books by SQL, behind the store's back."""
    tenant = staff.tenant_id
    unbalanced = cluster.sql(
        "SELECT g.grant_id, g.total_usd, g.remaining_usd, sum(r.reserved_usd - r.released_usd)"
        " FROM enforcement.credit_grants g LEFT JOIN enforcement.credit_reservations r"
        " USING (tenant_id, grant_id) WHERE tenant_id = %s"
        " GROUP BY g.tenant_id, g.grant_id HAVING g.total_usd <>"
        " g.remaining_usd + coalesce(sum(r.reserved_usd - r.released_usd), 0)",
        tenant,
    )
    assert unbalanced == []
    half_settled = cluster.sql(
        "SELECT r.decision_id FROM enforcement.credit_reservations r"
        " JOIN enforcement.decisions d USING (tenant_id, decision_id) WHERE tenant_id = %s"
        " AND r.consumed_usd + r.released_usd"
        " <> CASE WHEN d.reservation_active THEN 0 ELSE r.reserved_usd END",
        tenant,
    )
    assert half_settled == []
    usage = cluster.sql(
        "SELECT coalesce(sum(active_allocation_usd), 0), coalesce(sum(active_credits_usd), 0)"
        " FROM enforcement.project_usage WHERE tenant_id = %s",
        tenant,
    )
    reserved = cluster.sql(
        "SELECT coalesce(sum(allocation_usd), 0), coalesce(sum(credits_usd), 0)"
        " FROM enforcement.decisions WHERE tenant_id = %s AND reservation_active",
        tenant,
    )
    assert usage == reserved
    closings = cluster.sql(
        "SELECT decision_id FROM enforcement.ledger WHERE tenant_id = %s"
        " AND event IN ('reservation.reconciled', 'reservation.released')"
        " GROUP BY decision_id HAVING count(*) > 1",
        tenant,
    )
    assert closings == []


@pytest.mark.parametrize(
    ("actual", "status", "consumed", "left"),
    [
        ("100", SettlementStatus.MATCHED, "40", "960"),
        ("95", SettlementStatus.SAVINGS, "35", "965"),
        ("10", SettlementStatus.SAVINGS, "0", "1000"),
        ("150.5", SettlementStatus.OVERAGE, "40", "960"),
    ],
)
def test_a_settlement_consumes_and_releases_credit(
    cluster: Cluster,
    staff: Staff,
    actual: str,
    status: SettlementStatus,
    consumed: str,
    left: str,
) -> None:
    """The budget pays first; what credit does not pay goes back to its grant."""

    async def work(db: Database) -> None:
        decision = await _reserve(db, staff)
        done = (await _settle(db, staff, decision.decision_id, actual)).reconciliation
        assert (done.status, done.credits_consumed_usd) == (status, Decimal(consumed))
        assert done.drift_usd == Decimal(actual) - 100
        (grant,) = await grants.listing(db, staff.admin)
        assert grant.remaining_usd == Decimal(left)
        shown = await reservations.exceptions(db, staff.admin, limit=10)
        assert shown == ([] if status is SettlementStatus.MATCHED else [done])
        assert await reservations.active(db, staff.admin, limit=10) == []

    cluster.run(work)
    assert_money_conserved(cluster, staff)


def test_the_same_settlement_again_is_the_stored_one(cluster: Cluster, staff: Staff) -> None:
    """Same key and amount: replayed. Same key, other amount, or another key: refused."""

    async def work(db: Database) -> None:
        decision = await _reserve(db, staff)
        first = await _settle(db, staff, decision.decision_id, "95")
        again = await _settle(db, staff, decision.decision_id, "95")
        assert (first.replayed, again.replayed) == (False, True)
        assert again.reconciliation == first.reconciliation
        for actual, key, code in (
            ("96", "key-1", "idempotency_conflict"),
            ("95", "key-2", "already_reconciled"),
        ):
            with pytest.raises(ConflictError) as refusal:
                await _settle(db, staff, decision.decision_id, actual, key)
            assert refusal.value.code == code

    cluster.run(work)
    assert_money_conserved(cluster, staff)


def test_what_holds_no_reservation_cannot_be_settled(cluster: Cluster, staff: Staff) -> None:
    """A dry run, a released reservation and an unknown decision are each refused."""

    async def work(db: Database) -> None:
        dry = (await gates.evaluate(db, staff.member, ask("5", dry_run=True))).decision
        with pytest.raises(ConflictError) as refusal:
            await _settle(db, staff, dry.decision_id, "5")
        assert refusal.value.code == "reservation_not_active"
        with pytest.raises(NotFoundError):
            await _settle(db, staff, uuid4(), "5")
        with pytest.raises(InvalidError):
            await _settle(db, staff, dry.decision_id, "5", key="abc")

    cluster.run(work)


@pytest.mark.parametrize("safety", [Safety(), Safety(lock=False)])
def test_twenty_settlements_with_different_keys_and_one_settles(
    cluster: Cluster, staff: Staff, safety: Safety
) -> None:
    """Twenty at once, each its own key: one counts, even with the tenant's lock off."""

    async def work(db: Database) -> None:
        decision = await _reserve(db, staff)
        answers = await asyncio.gather(
            *(
                _settle(db, staff, decision.decision_id, str(80 + number), f"key-{number}")
                for number in range(20)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(answer, Reconciled) for answer in answers) == 1
        codes = {a.code for a in answers if isinstance(a, ConflictError)}
        assert codes <= {"already_reconciled", "reservation_not_active"}

    cluster.run(work, pool_size=20, safety=safety)
    assert_money_conserved(cluster, staff)


def test_twenty_settlements_with_one_key_settle_once_and_agree(
    cluster: Cluster, staff: Staff
) -> None:
    """Twenty copies of one settlement get one answer."""

    async def work(db: Database) -> None:
        decision = await _reserve(db, staff)
        answers = await asyncio.gather(
            *(_settle(db, staff, decision.decision_id, "95") for _ in range(20))
        )
        assert sum(not answer.replayed for answer in answers) == 1
        assert len({answer.reconciliation.reconciled_at for answer in answers}) == 1

    cluster.run(work, pool_size=20)
    assert_money_conserved(cluster, staff)


def test_a_sweep_releases_what_is_overdue_oldest_first(cluster: Cluster, staff: Staff) -> None:
    """It stops at its limit, gives everything back, and finds nothing the second time."""

    async def work(db: Database) -> None:
        old = [await _reserve(db, staff, "30") for _ in range(3)]
        _age(cluster, staff)
        young = await _reserve(db, staff, "30")

        async def sweep(limit: int) -> Sweep:
            return await reservations.release_overdue(
                db, staff.admin, older_than_seconds=1800, limit=limit
            )

        first = await sweep(2)
        assert first.decision_ids == tuple(d.decision_id for d in old[:2])
        assert first.released_usd == 60
        assert (await sweep(10)).decision_ids == (old[2].decision_id,)
        assert (await sweep(10)).decision_ids == ()
        (left,) = await reservations.active(db, staff.admin, limit=10)
        assert left.decision.decision_id == young.decision_id
        assert left.age_seconds >= 0

    cluster.run(work)
    assert_money_conserved(cluster, staff)


@pytest.mark.parametrize(("seconds", "limit"), [(59, 1), (604_801, 1), (60, 0), (60, 1001)])
def test_a_sweep_is_bounded(cluster: Cluster, staff: Staff, seconds: int, limit: int) -> None:
    """Ages and limits outside their range are refused."""

    async def work(db: Database) -> None:
        with pytest.raises(InvalidError):
            await reservations.release_overdue(
                db, staff.admin, older_than_seconds=seconds, limit=limit
            )

    cluster.run(work)


def test_settling_by_hand_against_sweeping_closes_each_reservation_once(
    cluster: Cluster, staff: Staff
) -> None:
    """Manual settlements, sweeps and denials at once: each reservation has one end."""

    async def work(db: Database) -> None:
        held = [await _reserve(db, staff, "30", "prod") for _ in range(12)]
        _age(cluster, staff)

        async def deny(decision: Decision) -> object:
            assert decision.approval_id is not None
            return await approvals.deny(db, staff.reviewer, decision.approval_id, notes="")

        calls = [
            *(_settle(db, staff, d.decision_id, "20") for d in held),
            *(deny(d) for d in held),
            *(
                reservations.release_overdue(db, staff.admin, older_than_seconds=60, limit=5)
                for _ in range(6)
            ),
        ]
        random.shuffle(calls)
        answers = await asyncio.gather(*calls, return_exceptions=True)
        for answer in answers:
            assert not isinstance(answer, BaseException) or isinstance(answer, ConflictError)

    cluster.run(work, pool_size=16)
    assert_money_conserved(cluster, staff)
    closed = cluster.sql(
        "SELECT count(*) FROM enforcement.ledger WHERE tenant_id = %s"
        " AND event IN ('reservation.reconciled', 'reservation.released')",
        staff.tenant_id,
    )
    assert closed == [(12,)]


def test_money_is_conserved_through_a_storm(cluster: Cluster, staff: Staff) -> None:
    """Gates, settlements, sweeps, reviews at random: the books balance and the chain holds."""

    async def actor(db: Database, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(12):
            try:
                decision = await _reserve(
                    db, staff, str(chance.randint(1, 120)), chance.choice(["prod", "sandbox"])
                )
                move = chance.choice(["settle", "deny", "sweep", "keep"])
                if move == "settle":
                    await _settle(db, staff, decision.decision_id, str(chance.randint(0, 150)))
                elif move == "deny" and decision.approval_id is not None:
                    await approvals.deny(db, staff.reviewer, decision.approval_id, notes="")
                elif move == "sweep":
                    await reservations.release_overdue(
                        db, staff.admin, older_than_seconds=60, limit=3
                    )
            except ConflictError:
                continue  # somebody else was first; anything else fails the test

    async def work(db: Database) -> None:
        await _reserve(db, staff)
        await asyncio.gather(*(actor(db, seed) for seed in range(8)))

    cluster.run(work, pool_size=8)
    assert_money_conserved(cluster, staff)
    (outcome,) = ledger.verify(cluster.owner_dsn, staff.tenant_id)
    assert outcome.fault is None
