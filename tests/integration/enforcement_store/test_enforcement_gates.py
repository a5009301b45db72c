"""Gate decisions on a real PostgreSQL: one transaction, one key, one lock, one policy."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest

from control_plane import Cluster, Staff, ask, make_staff
from enforcement.domain.decision import digest
from enforcement.domain.enums import CreditPool, Mode, Outcome, Role
from enforcement.domain.errors import ConflictError, NotFoundError
from enforcement.domain.failsafe import fail_safe
from enforcement.domain.identity import Caller
from enforcement.domain.policy import (
    DEFAULT_POLICY,
    ApprovalRules,
    Entitlements,
    ModeMatrix,
    PolicyDocument,
    SourceModes,
    document_text,
    materialise,
)
from enforcement.store import budgets, failsafes, gates, ledger, policies, reservations
from enforcement.store import credits as grants
from enforcement.store.database import Database
from enforcement.store.errors import LockTimeoutError, failsafe_reason
from enforcement.store.settings import Safety

HARD = PolicyDocument(
    mode_matrix=ModeMatrix(
        terraform=SourceModes(default=Mode.HARD), k8s_admission=SourceModes(default=Mode.HARD)
    )
)


async def _limit(db: Database, staff: Staff, amount: str, scope: str = "default") -> None:
    await budgets.put(
        db, staff.admin, scope_key=scope, monthly_limit_usd=Decimal(amount), active=True
    )


async def _race(db: Database, caller: Caller, count: int, monthly: str) -> list[Outcome]:
    answers = await asyncio.gather(
        *(gates.evaluate(db, caller, ask(monthly)) for _ in range(count))
    )
    return [answer.decision.outcome for answer in answers]


def test_a_decision_is_stored_with_its_ledger_row(cluster: Cluster, staff: Staff) -> None:
    """What was answered is what is stored, and the ledger carries its digest."""

    async def work(db: Database) -> None:
        answer = await gates.evaluate(db, staff.member, ask("10"))
        assert not answer.replayed
        found = await gates.find_decision(db, staff.member, answer.decision.decision_id)
        assert found == answer.decision
        assert found.reservation_active
        row = cluster.sql(
            "SELECT event, decision_digest, actor FROM enforcement.ledger"
            " WHERE tenant_id = %s AND decision_id = %s",
            staff.tenant_id,
            found.decision_id,
        )
        assert row == [("decision", digest(found), staff.member.principal_id)]

    cluster.run(work)


def test_the_same_key_gives_the_same_answer_and_writes_nothing(
    cluster: Cluster, staff: Staff
) -> None:
    """A replay is the stored decision, whoever sends it and however often."""

    async def work(db: Database) -> None:
        request = ask("10")
        first = await gates.evaluate(db, staff.member, request)
        again = await gates.evaluate(db, staff.admin, request)
        assert again.replayed
        assert again.decision == first.decision

    cluster.run(work)
    assert cluster.sql(
        "SELECT count(*) FROM enforcement.decisions WHERE tenant_id = %s", staff.tenant_id
    ) == [(1,)]


def test_the_same_key_for_another_request_is_a_conflict(cluster: Cluster, staff: Staff) -> None:
    """A key means one request."""

    async def work(db: Database) -> None:
        await gates.evaluate(db, staff.member, ask("10", idempotency_key="key-1"))
        with pytest.raises(ConflictError) as refusal:
            await gates.evaluate(db, staff.member, ask("11", idempotency_key="key-1"))
        assert refusal.value.code == "idempotency_conflict"

    cluster.run(work)


def test_a_dry_run_does_not_answer_for_the_real_call(cluster: Cluster, staff: Staff) -> None:
    """Without explicit keys, the real call after a dry run is decided and reserves."""

    async def work(db: Database) -> None:
        dry = await gates.evaluate(db, staff.member, ask(idempotency_key=None, dry_run=True))
        real = await gates.evaluate(db, staff.member, ask(idempotency_key=None))
        assert not dry.decision.reservation_active
        assert not real.replayed
        assert real.decision.reservation_active

    cluster.run(work)


def test_fifty_gates_for_the_last_unit_let_one_through(cluster: Cluster, staff: Staff) -> None:
    """Fifty at once through many connections: one ALLOW, forty-nine denials, no money lost."""

    async def work(db: Database) -> list[Outcome]:
        await policies.put(db, staff.admin, HARD)
        await _limit(db, staff, "10")
        return await _race(db, staff.member, 50, "10")

    outcomes = cluster.run(work, pool_size=20)
    assert sorted(outcomes) == [Outcome.ALLOW] + [Outcome.DENY] * 49
    reserved = cluster.sql(
        "SELECT sum(allocation_usd) FROM enforcement.decisions"
        " WHERE tenant_id = %s AND reservation_active",
        staff.tenant_id,
    )
    assert reserved == [(Decimal("10.0000"),)]


def test_without_the_lock_the_last_unit_is_sold_more_than_once(
    cluster: Cluster, staff: Staff
) -> None:
    """The race is real: with the lock switched off the same test overspends."""

    async def work(db: Database) -> None:
        await policies.put(db, staff.admin, HARD)
        for number in range(20):
            scope = f"project-{number}"
            await _limit(db, staff, "10", scope)
            answers = await asyncio.gather(
                *(gates.evaluate(db, staff.member, ask("10", project_id=scope)) for _ in range(50))
            )
            allowed = [a for a in answers if a.decision.outcome is Outcome.ALLOW]
            if len(allowed) > 1:
                return
        pytest.fail("twenty unprotected races and none overspent")

    cluster.run(work, pool_size=20, safety=Safety(lock=False))


def test_one_key_sent_fifty_times_at_once_decides_once(cluster: Cluster, staff: Staff) -> None:
    """Fifty copies of one request get one decision, one reservation, one ledger row."""

    async def work(db: Database) -> None:
        request = ask("10")
        answers = await asyncio.gather(
            *(gates.evaluate(db, staff.member, request) for _ in range(50))
        )
        assert len({a.decision.decision_id for a in answers}) == 1
        assert sum(not a.replayed for a in answers) == 1

    cluster.run(work, pool_size=20)
    assert cluster.sql(
        "SELECT count(*) FROM enforcement.ledger WHERE tenant_id = %s AND event = 'decision'",
        staff.tenant_id,
    ) == [(1,)]


def test_without_idempotency_one_key_decides_many_times(cluster: Cluster, staff: Staff) -> None:
    """The protection is what makes it one: switched off, each copy is decided."""

    async def work(db: Database) -> None:
        request = ask("10")
        answers = [await gates.evaluate(db, staff.member, request) for _ in range(3)]
        assert len({a.decision.decision_id for a in answers}) == 3

    cluster.run(work, safety=Safety(idempotency=False))


def test_the_policy_is_read_under_the_lock(cluster: Cluster, staff: Staff) -> None:
    """A gate that waited for the lock decides by the policy that the holder committed."""

    async def work(db: Database) -> None:
        await gates.evaluate(db, staff.member, ask("10"))  # the default policy is now cached
        async with await psycopg.AsyncConnection.connect(cluster.owner_dsn) as holder:
            await holder.execute(
                "SELECT 1 FROM enforcement.ledger_heads WHERE tenant_id = %s FOR UPDATE",
                (staff.tenant_id,),
            )
            waiting = asyncio.create_task(gates.evaluate(db, staff.member, ask("6000")))
            await cluster.until("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
            await holder.execute(
                "INSERT INTO enforcement.policies"
                " SELECT %s, 1, d, encode(sha256(convert_to(d, 'UTF8')), 'hex'), %s, now()"
                " FROM (SELECT %s::text AS d) x",
                (staff.tenant_id, uuid4(), document_text(materialise(HARD, 1).document)),
            )
            await holder.commit()
            answer = await waiting
        assert answer.decision.policy_version == 1
        assert answer.decision.outcome is Outcome.DENY

    cluster.run(work)


def test_a_lock_that_is_not_free_in_time_is_a_lock_timeout(cluster: Cluster, staff: Staff) -> None:
    """The wait is bounded, named, and harms neither other tenants nor the next call."""

    async def work(db: Database) -> None:
        other = await make_staff(db)
        async with await psycopg.AsyncConnection.connect(cluster.owner_dsn) as holder:
            await holder.execute(
                "SELECT 1 FROM enforcement.ledger_heads WHERE tenant_id = %s FOR UPDATE",
                (staff.tenant_id,),
            )
            with pytest.raises(LockTimeoutError) as refusal:
                async with asyncio.timeout(20):  # of the sixty seconds that an operation may take
                    await gates.evaluate(db, staff.member, ask())
            assert failsafe_reason(refusal.value) == "gate_lock_timeout"
            free = await gates.evaluate(db, other.member, ask())
            assert free.decision.outcome is Outcome.ALLOW
        after = await gates.evaluate(db, staff.member, ask())
        assert after.decision.outcome is Outcome.ALLOW

    cluster.run(work, lock_timeout_s=0.2)


def test_a_tenant_that_does_not_exist_is_not_decided_for(cluster: Cluster) -> None:
    """No head, no lock, no decision."""
    nobody = Caller(tenant_id=uuid4(), principal_id=uuid4(), role=Role.OWNER)

    async def work(db: Database) -> None:
        with pytest.raises(NotFoundError) as refusal:
            await gates.evaluate(db, nobody, ask())
        assert refusal.value.code == "tenant_unknown"

    cluster.run(work)


def test_headroom_is_per_scope(cluster: Cluster, staff: Staff) -> None:
    """A project's budget is its own; projects without one share the default."""

    async def work(db: Database) -> None:
        await policies.put(db, staff.admin, HARD)
        await _limit(db, staff, "100")
        await _limit(db, staff, "50", "web")

        async def outcome(project: str, monthly: str) -> Outcome:
            answer = await gates.evaluate(db, staff.member, ask(monthly, project_id=project))
            return answer.decision.outcome

        assert await outcome("web", "50") is Outcome.ALLOW
        assert await outcome("web", "1") is Outcome.DENY
        assert await outcome("api", "60") is Outcome.ALLOW
        assert await outcome("jobs", "41") is Outcome.DENY
        assert await outcome("jobs", "40") is Outcome.ALLOW
        committed = {b.scope_key: b.committed_usd for b in await budgets.listing(db, staff.admin)}
        assert committed == {"web": 50, "default": 100}

    cluster.run(work)


def test_a_reservation_of_an_earlier_month_still_counts(cluster: Cluster, staff: Staff) -> None:
    """Headroom does not come back because the calendar turned."""

    async def work(db: Database) -> None:
        await policies.put(db, staff.admin, HARD)
        await _limit(db, staff, "100")
        held = await gates.evaluate(db, staff.member, ask("100"))
        cluster.sql(
            "UPDATE enforcement.decisions SET created_at = created_at - interval '40 days'"
            " WHERE decision_id = %s",
            held.decision.decision_id,
        )
        late = await gates.evaluate(db, staff.member, ask("1"))
        assert late.decision.outcome is Outcome.DENY

    cluster.run(work)


def test_what_was_settled_this_month_counts_and_last_month_does_not(
    cluster: Cluster, staff: Staff
) -> None:
    """A real cost uses its month's budget; the next month begins with it gone."""

    async def work(db: Database) -> None:
        await policies.put(db, staff.admin, HARD)
        await _limit(db, staff, "100")
        held = await gates.evaluate(db, staff.member, ask("80"))
        await reservations.reconcile(
            db,
            staff.admin,
            held.decision.decision_id,
            actual_monthly_delta_usd=Decimal(70),
            notes=None,
            idempotency_key="settle",
        )
        outcomes = [
            (await gates.evaluate(db, staff.member, ask(monthly))).decision.outcome
            for monthly in ("30.0001", "30")
        ]
        assert outcomes == [Outcome.DENY, Outcome.ALLOW]
        cluster.sql(
            "UPDATE enforcement.project_usage SET settled_month = settled_month - interval"
            " '1 month' WHERE tenant_id = %s",
            staff.tenant_id,
        )
        next_month = await gates.evaluate(db, staff.member, ask("70"))
        assert next_month.decision.outcome is Outcome.ALLOW

    cluster.run(work)


def test_credits_drawn_by_racing_gates_are_conserved(cluster: Cluster, staff: Staff) -> None:
    """Thirty gates over two grants: exactly what the grants hold is drawn."""

    async def work(db: Database) -> None:
        await policies.put(db, staff.admin, HARD)
        await _limit(db, staff, "0")
        for pool in CreditPool:
            await grants.grant(
                db,
                staff.admin,
                pool=pool,
                scope_key="default",
                total_usd=Decimal(50),
                expires_at=None,
                reason="",
            )
        outcomes = await _race(db, staff.member, 30, "7")
        assert outcomes.count(Outcome.ALLOW_WITH_CREDITS) == 14
        left = sum(grant.remaining_usd for grant in await grants.listing(db, staff.admin))
        assert left == 2
        held = cluster.sql(
            "SELECT sum(reserved_usd) FROM enforcement.credit_reservations WHERE tenant_id = %s",
            staff.tenant_id,
        )
        assert held == [(Decimal(98),)]

    cluster.run(work, pool_size=12)


def test_an_escalation_creates_its_approval_in_the_same_transaction(
    cluster: Cluster, staff: Staff
) -> None:
    """Decision, approval and both ledger rows are there together."""

    async def work(db: Database) -> None:
        answer = await gates.evaluate(db, staff.member, ask("100", environment="prod"))
        assert answer.decision.outcome is Outcome.REQUIRE_APPROVAL
        rows = cluster.sql(
            "SELECT approval_id, state, requested_by FROM enforcement.approvals"
            " WHERE tenant_id = %s",
            staff.tenant_id,
        )
        assert rows == [(answer.decision.approval_id, "pending", staff.member.principal_id)]
        events = cluster.sql(
            "SELECT event FROM enforcement.ledger WHERE tenant_id = %s AND decision_id IS NOT NULL"
            " ORDER BY sequence",
            staff.tenant_id,
        )
        assert events == [("decision",), ("approval.requested",)]

    cluster.run(work)


@pytest.mark.parametrize("times", [1, 3])
def test_a_fail_safe_is_written_once_and_never_answers_for_its_key(
    cluster: Cluster, staff: Staff, times: int
) -> None:
    """Replayed as often as you like it is one row; the same key then gets a real decision."""

    async def work(db: Database) -> None:
        request = ask("10", environment="prod")
        entry = fail_safe(
            request,
            DEFAULT_POLICY,
            trigger="gate_timeout",
            details="no answer",
            decision_id=uuid4(),
            tenant_id=staff.tenant_id,
            created_by=staff.member.principal_id,
            now=datetime.now(UTC),
        )
        written = await asyncio.gather(
            *(failsafes.record_failsafe(db, entry) for _ in range(times))
        )
        assert sorted(written) == [False] * (times - 1) + [True]
        stored = await gates.find_decision(db, staff.member, entry.decision.decision_id)
        assert stored == entry.decision
        real = await gates.evaluate(db, staff.member, request)
        assert not real.replayed
        assert not real.decision.failsafe
        again = await gates.evaluate(db, staff.member, request)
        assert again.decision.decision_id == real.decision.decision_id

    cluster.run(work)
    events = cluster.sql(
        "SELECT event FROM enforcement.ledger WHERE tenant_id = %s AND decision_id IS NOT NULL"
        " ORDER BY sequence",
        staff.tenant_id,
    )
    assert [event for (event,) in events] == [
        "decision.failsafe",
        "approval.requested",
        "decision",
    ]


def test_every_ledger_of_this_session_verifies(cluster: Cluster, staff: Staff) -> None:
    """A mixed history, hashed again outside the database, has no fault."""

    async def work(db: Database) -> None:
        await policies.put(db, staff.admin, HARD)
        await policies.put(
            db,
            staff.admin,
            PolicyDocument(
                approval=ApprovalRules(required_nonprod=True),
                entitlements=Entitlements(auto_approve_below_monthly_usd="1"),
            ),
        )
        await _race(db, staff.member, 20, "10")

    cluster.run(work)
    (outcome,) = ledger.verify(cluster.owner_dsn, staff.tenant_id)
    assert outcome.fault is None
    assert outcome.rows == outcome.head_sequence == 47


@pytest.mark.parametrize("heard", [False, True])
def test_what_its_caller_has_heard_again_is_never_voided(
    cluster: Cluster, staff: Staff, *, heard: bool
) -> None:
    """A fail-safe voids the decision that nobody heard of; one that was replayed stays."""

    async def work(db: Database) -> bool:
        await policies.put(db, staff.admin, HARD)
        request = ask("10", environment="prod", idempotency_key="key-1")
        made = (await gates.evaluate(db, staff.member, request)).decision
        assert made.outcome is not Outcome.DENY
        if heard:
            assert (await gates.evaluate(db, staff.member, request)).replayed
        entry = fail_safe(
            request,
            await policies.current(db, staff.tenant_id),
            trigger="gate_timeout",
            details="no answer",
            decision_id=uuid4(),
            tenant_id=staff.tenant_id,
            created_by=staff.member.principal_id,
            now=datetime.now(UTC),
            instead_of=made.decision_id,
        )
        assert entry.decision.outcome is Outcome.DENY
        assert await failsafes.record_failsafe(db, entry)
        again = await gates.evaluate(db, staff.member, request)
        return again.decision.decision_id == made.decision_id

    assert cluster.run(work) is heard
    voided = cluster.sql(
        "SELECT count(*) FROM enforcement.ledger WHERE tenant_id = %s"
        " AND event = 'decision.voided'",
        staff.tenant_id,
    )
    assert voided == [(0 if heard else 1,)]
