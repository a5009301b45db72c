"""The ledger as evidence: edits found at their row, parity that means something, bounded pages."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from control_plane import Cluster, Staff, ask
from enforcement.domain import ledger as chain
from enforcement.domain.canonical import canonical_text
from enforcement.domain.decision import digest
from enforcement.domain.errors import InvalidError
from enforcement.store import gates, ledger, parity, records
from enforcement.store.database import Database
from enforcement.store.errors import StoreError
from enforcement.store.parity import Parity

DECISIONS = 12


async def _history(db: Database, staff: Staff) -> None:
    """Twelve decisions; every third one escalates and adds a row of its own."""
    for number in range(DECISIONS):
        environment = "prod" if number % 3 == 2 else "sandbox"
        await gates.evaluate(db, staff.member, ask("30", environment=environment))


@pytest.fixture
def history(cluster: Cluster, staff: Staff) -> Staff:
    """A tenant with sixteen ledger rows, twelve of them decisions."""
    cluster.run(lambda db: _history(db, staff))
    return staff


def _tamper(cluster: Cluster, statement: str, *values: Any) -> None:
    """Edit as somebody with the disk in hand: triggers off, no questions asked."""
    with psycopg.connect(cluster.owner_dsn, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement, values).rowcount > 0  # type: ignore[arg-type]  # a constant


def _parity(cluster: Cluster, staff: Staff, limit: int = 50) -> Parity:
    return cluster.run(lambda db: parity.newest(db, staff.member, limit=limit))


def _window(cluster: Cluster, staff: Staff) -> Parity:
    now = datetime.now(UTC)
    return cluster.run(
        lambda db: parity.window(
            db, staff.member, start_at=now - timedelta(days=1), end_at=now + timedelta(days=1)
        )
    )


def test_python_and_postgresql_hash_alike(cluster: Cluster, history: Staff) -> None:
    """Both sides compute the same digests and the same chain from the same rows."""
    rows = cluster.sql(
        "SELECT enforcement.decision_json(d), enforcement.decision_digest(d)"
        " FROM enforcement.decisions d WHERE tenant_id = %s",
        history.tenant_id,
    )
    assert len(rows) == DECISIONS
    for text, hashed in rows:
        assert digest(records.decision(text)) == hashed
    entries = [
        chain.Entry(
            tenant_id=row[0],
            sequence=row[1],
            event=row[2],
            occurred_at=row[3],
            actor=row[4],
            decision_id=row[5],
            decision_digest=row[6],
            payload=row[7],
            prev_hash=row[8],
            entry_hash=row[9],
        )
        for row in cluster.sql(
            "SELECT * FROM enforcement.ledger WHERE tenant_id = %s ORDER BY sequence",
            history.tenant_id,
        )
    ]
    assert chain.verify_chain(entries) is None
    assert [entry.sequence for entry in entries] == list(range(1, 22))


def test_an_untouched_history_is_in_parity(cluster: Cluster, history: Staff) -> None:
    """All decisions, all rows of their range, one digest from either side."""
    for seen in (_parity(cluster, history), _window(cluster, history)):
        assert seen.parity_ok
        assert seen.chain_ok
        assert (seen.decisions, seen.decision_rows) == (DECISIONS, DECISIONS)
        assert seen.decisions_sha256 == seen.ledger_sha256
        assert seen.first_mismatch is None
        assert seen.ledger_rows == (seen.last_sequence or 0) - (seen.first_sequence or 0) + 1


def test_the_newest_decisions_are_the_newest_by_sequence(cluster: Cluster, history: Staff) -> None:
    """A limit takes from the end, and the range is theirs alone."""
    seen = _parity(cluster, history, limit=2)
    assert seen.parity_ok
    assert (seen.decisions, seen.ledger_rows) == (2, 2)
    assert (seen.first_sequence, seen.last_sequence) == (19, 20)


def test_an_empty_tenant_has_nothing_to_disagree(cluster: Cluster, staff: Staff) -> None:
    """No decisions: parity holds over nothing and says that it is nothing."""
    seen = _parity(cluster, staff)
    assert seen.parity_ok
    assert (seen.decisions, seen.ledger_rows, seen.first_sequence) == (0, 0, None)


def _sequence_of_decision(cluster: Cluster, staff: Staff, nth: int) -> int:
    rows = cluster.sql(
        "SELECT ledger_sequence FROM enforcement.decisions WHERE tenant_id = %s"
        " ORDER BY ledger_sequence OFFSET %s LIMIT 1",
        staff.tenant_id,
        nth,
    )
    return int(rows[0][0])


@pytest.mark.parametrize(
    "change",
    [
        "outcome = 'DENY', reservation_active = false",
        "monthly_delta_usd = monthly_delta_usd + 0.0001",
        "resource_reference = 'other'",
        "reason_codes = '{}'",
        "policy_version = 7",
        "details_text = '{}'",
        "created_at = created_at + interval '1 microsecond'",
        "project_id = 'other'",
    ],
)
def test_an_edited_decision_is_found_at_its_row(
    cluster: Cluster, history: Staff, change: str
) -> None:
    """Parity and verification both name the row whose decision was edited."""
    at = _sequence_of_decision(cluster, history, 7)
    _tamper(
        cluster,
        f"UPDATE enforcement.decisions SET {change}"  # noqa: S608  # constants
        " WHERE tenant_id = %s AND ledger_sequence = %s",
        history.tenant_id,
        at,
    )
    for seen in (_parity(cluster, history), _window(cluster, history)):
        assert not seen.parity_ok
        assert seen.chain_ok
        assert seen.first_mismatch == at
        assert seen.mismatch_reason == "digest_differs"
        assert seen.decisions_sha256 != seen.ledger_sha256
    (outcome,) = ledger.verify(cluster.owner_dsn, history.tenant_id)
    assert outcome.fault is not None
    assert (outcome.fault.sequence, outcome.fault.kind) == (at, "digest_differs")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("payload = '{\"forged\":true}'", "wrong_hash"),
        ("actor = gen_random_uuid()", "wrong_hash"),
        ("occurred_at = occurred_at - interval '1 day'", "wrong_hash"),
        ("event = 'budget.set'", "wrong_hash"),
        ("entry_hash = decode(repeat('ab', 32), 'hex')", "wrong_hash"),
        ("prev_hash = decode(repeat('ab', 32), 'hex')", "broken_link"),
    ],
)
def test_an_edited_ledger_row_is_found(
    cluster: Cluster, history: Staff, change: str, kind: str
) -> None:
    """The first bad row is the edited one, whatever was edited."""
    at = _sequence_of_decision(cluster, history, 5)
    _tamper(
        cluster,
        f"UPDATE enforcement.ledger SET {change} WHERE tenant_id = %s AND sequence = %s",  # noqa: S608  # constants
        history.tenant_id,
        at,
    )
    seen = _parity(cluster, history)
    assert not seen.parity_ok
    assert not seen.chain_ok
    assert (seen.first_mismatch, seen.mismatch_reason) == (at, kind)
    (outcome,) = ledger.verify(cluster.owner_dsn, history.tenant_id)
    assert outcome.fault is not None
    assert (outcome.fault.sequence, outcome.fault.kind) == (at, kind)


def test_a_rehashed_edit_breaks_the_next_link(cluster: Cluster, history: Staff) -> None:
    """Whoever edits a row and hashes it again is found one row later."""
    at = _sequence_of_decision(cluster, history, 5)
    _tamper(
        cluster,
        "UPDATE enforcement.ledger SET payload = '{}' WHERE tenant_id = %s AND sequence = %s",
        history.tenant_id,
        at,
    )
    _tamper(
        cluster,
        "UPDATE enforcement.ledger l SET entry_hash = enforcement.ledger_entry_hash(l)"
        " WHERE tenant_id = %s AND sequence = %s",
        history.tenant_id,
        at,
    )
    assert _parity(cluster, history).first_mismatch == at + 1
    (outcome,) = ledger.verify(cluster.owner_dsn, history.tenant_id)
    assert outcome.fault is not None
    assert (outcome.fault.sequence, outcome.fault.kind) == (at + 1, "broken_link")


@pytest.mark.parametrize("nth", [4, DECISIONS - 1])
def test_a_removed_ledger_row_is_found(cluster: Cluster, history: Staff, nth: int) -> None:
    """A hole is found, at the end of the ledger too: decisions and the head know better."""
    at = _sequence_of_decision(cluster, history, nth)
    _tamper(
        cluster,
        "DELETE FROM enforcement.ledger WHERE tenant_id = %s AND sequence = %s",
        history.tenant_id,
        at,
    )
    seen = _parity(cluster, history)
    assert not seen.parity_ok
    assert seen.first_mismatch == at
    (outcome,) = ledger.verify(cluster.owner_dsn, history.tenant_id)
    assert outcome.fault is not None
    assert outcome.fault.sequence == at


def test_rows_cut_from_the_end_are_found_by_the_head(cluster: Cluster, history: Staff) -> None:
    """Removing the last rows with their decisions still leaves the head ahead."""
    for table in ("approvals", "ledger", "decisions"):
        column = "sequence" if table == "ledger" else "ledger_sequence"
        where = (
            "decision_id IN (SELECT decision_id FROM enforcement.decisions"
            " WHERE ledger_sequence >= 15)"
            if table == "approvals"
            else f"{column} >= 15"
        )
        _tamper(
            cluster,
            f"DELETE FROM enforcement.{table} WHERE tenant_id = %s AND {where}",  # noqa: S608  # constants
            history.tenant_id,
        )
    (outcome,) = ledger.verify(cluster.owner_dsn, history.tenant_id)
    assert outcome.fault is not None
    assert (outcome.fault.sequence, outcome.fault.kind) == (15, "gap")


def test_a_removed_decision_is_found(cluster: Cluster, history: Staff) -> None:
    """A row that records a decision which is not there is named."""
    at = _sequence_of_decision(cluster, history, 6)
    _tamper(
        cluster,
        "DELETE FROM enforcement.decisions WHERE tenant_id = %s AND ledger_sequence = %s",
        history.tenant_id,
        at,
    )
    seen = _parity(cluster, history)
    assert (seen.first_mismatch, seen.mismatch_reason) == (at, "missing_decision")
    (outcome,) = ledger.verify(cluster.owner_dsn, history.tenant_id)
    assert outcome.fault is not None
    assert (outcome.fault.sequence, outcome.fault.kind) == (at, "missing_decision")


def test_a_smuggled_decision_is_found(cluster: Cluster, history: Staff) -> None:
    """A decision that no ledger row records is named."""
    at = _sequence_of_decision(cluster, history, 2) + 1  # the approval row of the third
    _tamper(
        cluster,
        "INSERT INTO enforcement.decisions SELECT (jsonb_populate_record(d, jsonb_build_object("
        " 'decision_id', gen_random_uuid(), 'idempotency_key', 'smuggled',"
        " 'reservation_active', false, 'ledger_sequence', %s::bigint))).*"
        " FROM enforcement.decisions d WHERE tenant_id = %s LIMIT 1",
        at,
        history.tenant_id,
    )
    seen = _parity(cluster, history)
    assert (seen.first_mismatch, seen.mismatch_reason) == (at, "missing_ledger_row")
    (outcome,) = ledger.verify(cluster.owner_dsn, history.tenant_id)
    assert outcome.fault is not None
    assert (outcome.fault.sequence, outcome.fault.kind) == (at, "missing_ledger_row")


def test_parity_holds_while_decisions_are_made(cluster: Cluster, history: Staff) -> None:
    """One snapshot: a comparison taken during a stream of gates never disagrees."""

    async def work(db: Database) -> None:
        stop = asyncio.Event()

        async def decide() -> None:
            while not stop.is_set():
                await gates.evaluate(db, history.member, ask("1"))

        makers = [asyncio.create_task(decide()) for _ in range(3)]
        try:
            for _ in range(40):
                seen = await parity.newest(db, history.member, limit=20)
                assert seen.parity_ok, seen
                assert seen.decisions == min(20, seen.decisions)
        finally:
            stop.set()
            await asyncio.gather(*makers)

    cluster.run(work)


@pytest.mark.parametrize("rows", [1, 5, 15, 16])
def test_a_window_is_compared_in_parts_as_if_it_were_one(
    cluster: Cluster, history: Staff, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """However it is cut: the same counts and digests, and a hole between two parts is found."""
    whole = _window(cluster, history)
    monkeypatch.setattr(parity, "PART_ROWS", rows)
    assert _window(cluster, history) == whole
    at = _sequence_of_decision(cluster, history, 4)
    _tamper(
        cluster,
        "DELETE FROM enforcement.ledger WHERE tenant_id = %s AND sequence = %s",
        history.tenant_id,
        at,
    )
    seen = _window(cluster, history)
    assert (seen.first_mismatch, seen.mismatch_reason) == (at, "missing_ledger_row")
    assert not seen.chain_ok


def test_an_impossible_window_or_limit_is_refused(cluster: Cluster, staff: Staff) -> None:
    """Limits outside 1 to 1000 and windows that end before they begin."""
    now = datetime.now(UTC)
    for limit in (0, 1001):
        with pytest.raises(InvalidError):
            _parity(cluster, staff, limit)
    with pytest.raises(InvalidError):
        cluster.run(lambda db: parity.window(db, staff.member, start_at=now, end_at=now))


def test_pages_follow_each_other_without_gap_or_overlap(cluster: Cluster, history: Staff) -> None:
    """Keyset pages of five give every row once, newest first, as JSON."""

    async def work(db: Database) -> None:
        sequences: list[int] = []
        before = None
        while True:
            text = await ledger.page_json(db, history.admin, limit=5, before_sequence=before)
            page = json.loads(text)
            if not page:
                break
            sequences += [row["sequence"] for row in page]
            before = sequences[-1]
        assert sequences == list(range(21, 0, -1))

    cluster.run(work)


def test_a_page_carries_everything_a_verifier_needs(cluster: Cluster, history: Staff) -> None:
    """A page can be hashed again by its reader: the export proves itself."""
    text = cluster.run(lambda db: ledger.page_json(db, history.admin, limit=1000))
    entries = [
        chain.Entry(
            tenant_id=history.tenant_id,
            sequence=row["sequence"],
            event=row["event"],
            occurred_at=datetime.fromisoformat(row["occurred_at"]),
            actor=UUID(row["actor"]),
            decision_id=row["decision_id"] and UUID(row["decision_id"]),
            decision_digest=row["decision_digest"] and bytes.fromhex(row["decision_digest"]),
            payload=canonical_text(row["payload"]),
            prev_hash=bytes.fromhex(row["prev_hash"]),
            entry_hash=bytes.fromhex(row["entry_hash"]),
        )
        for row in reversed(json.loads(text))
    ]
    assert len(entries) == 21
    assert chain.verify_chain(entries) is None


def test_a_page_can_be_cut_by_time(cluster: Cluster, history: Staff) -> None:
    """The start is inclusive, the end exclusive."""
    rows = cluster.sql(
        "SELECT sequence, occurred_at FROM enforcement.ledger WHERE tenant_id = %s"
        " ORDER BY sequence",
        history.tenant_id,
    )
    start, end = rows[4][1], rows[9][1]
    expected = [seq for seq, at in rows if start <= at < end]
    text = cluster.run(
        lambda db: ledger.page_json(db, history.admin, limit=1000, start_at=start, end_at=end)
    )
    assert [row["sequence"] for row in json.loads(text)] == expected[::-1]
    assert expected


def test_verification_needs_a_role_that_sees_everything(cluster: Cluster, history: Staff) -> None:
    """The application's role is refused, instead of being shown an empty ledger that verifies."""
    with pytest.raises(StoreError) as refusal:
        ledger.verify(cluster.app_dsn, history.tenant_id)
    assert refusal.value.code == "not_privileged"
    assert len(ledger.verify(cluster.owner_dsn)) > 1
