"""Settled history goes into files: the chain is proven before, after, and together with them."""

import asyncio
import json
import random
import signal
import subprocess
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from control_plane import Cluster, Staff, ask, make_staff
from enforcement.domain.checkpoint import Checkpoint
from enforcement.domain.enums import Outcome
from enforcement.domain.ledger import ChainFault
from enforcement.domain.timestamps import instant
from enforcement.exits import CommandError, Exit
from enforcement.retention import archive, prune
from enforcement.store import budgets, gates, ledger, parity, reservations
from enforcement.store import retention as anchors
from enforcement.store.database import Database
from enforcement.verification import export_ledger, verify_export
from full_history import EDITS, edited, live, review
from running_service import command, environment

NOW = timedelta(0)


def _name(cluster: Cluster, staff: Staff) -> str:
    rows = cluster.sql("SELECT name FROM enforcement.tenants WHERE tenant_id = %s", staff.tenant_id)
    return str(rows[0][0])


def _fault(cluster: Cluster, staff: Staff) -> ChainFault | None:
    (outcome,) = ledger.verify(cluster.owner_dsn, staff.tenant_id)
    return outcome.fault


def _retire(cluster: Cluster, staff: Staff, out: Path) -> None:
    archive(cluster.owner_dsn, _name(cluster, staff), older_than=NOW, out=out)
    prune(cluster.owner_dsn, out)


async def _go_on(db: Database, staff: Staff) -> None:
    """Do more: end what stood, overwrite what was set, decide anew."""
    await budgets.put(db, staff.admin, scope_key="web", monthly_limit_usd=Decimal(70), active=True)
    for held in await reservations.active(db, staff.admin, limit=2):
        await reservations.reconcile(
            db,
            staff.admin,
            held.decision.decision_id,
            actual_monthly_delta_usd=Decimal(3),
            notes=None,
            idempotency_key=f"late:{held.decision.decision_id}",
        )
    await gates.evaluate(db, staff.member, ask("7", environment="sandbox"))
    await review(db, staff)


@pytest.fixture(scope="module")
def retired(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[Staff, list[Path]]:
    """A tenant that did everything, was archived twice and went on; two archives, an export."""
    folder = tmp_path_factory.mktemp("retired")
    files = [folder / "one.jsonl", folder / "two.jsonl", folder / "rest.jsonl"]
    staff = cluster.run(live)
    _retire(cluster, staff, files[0])
    cluster.run(lambda db: _go_on(db, staff))
    _retire(cluster, staff, files[1])
    cluster.run(lambda db: _go_on(db, staff))
    export_ledger(cluster.app_dsn, _name(cluster, staff), files[2])
    return staff, files


def test_what_is_archived_is_gone_and_the_rest_holds(
    cluster: Cluster, retired: tuple[Staff, list[Path]]
) -> None:
    """Online the chain goes on from the anchor; of the tables only what stood there is left."""
    staff, _ = retired
    (outcome,) = ledger.verify(cluster.owner_dsn, staff.tenant_id)
    assert outcome.fault is None
    assert outcome.since > 0
    (row,) = cluster.sql(
        "SELECT min(l.sequence), h.archived_sequence FROM enforcement.ledger l"
        " JOIN enforcement.ledger_heads h USING (tenant_id) WHERE tenant_id = %s GROUP BY 2",
        staff.tenant_id,
    )
    assert row == (outcome.since + 1, outcome.since)
    left = cluster.sql(
        "SELECT decision_id::text FROM enforcement.decisions"
        " WHERE tenant_id = %s AND ledger_sequence <= %s ORDER BY 1",
        staff.tenant_id,
        outcome.since,
    )
    standing = cluster.sql(
        "SELECT id FROM enforcement.checkpoint_rows WHERE tenant_id = %s AND kind = 'decisions'"
        " ORDER BY 1",
        staff.tenant_id,
    )
    assert left == standing != []
    checkpoints = cluster.sql(
        "SELECT DISTINCT as_of FROM enforcement.checkpoint_rows WHERE tenant_id = %s",
        staff.tenant_id,
    )
    assert checkpoints == [(outcome.since,)]


def test_archives_and_export_are_one_history(retired: tuple[Staff, list[Path]]) -> None:
    """Given together nothing is missing; each alone says what it lacks."""
    staff, files = retired
    (whole,) = verify_export(*files)
    assert (whole.fault, whole.since, whole.upto) == (None, 0, 0)
    (first,) = verify_export(files[0])
    assert (first.fault, first.since, first.rows) == (None, 0, first.upto)
    (second,) = verify_export(files[1])
    assert (second.fault, second.since) == (None, first.upto)
    (rest,) = verify_export(files[2])
    assert (rest.fault, rest.since, rest.upto) == (None, second.upto, 0)
    assert whole.rows == first.rows + second.rows + rest.rows
    assert f"rows up to {rest.since} are in archives" in rest.line()
    assert staff.tenant_id == whole.tenant_id


def test_a_gap_between_files_is_found(retired: tuple[Staff, list[Path]]) -> None:
    """An archive that is left out, or out of order, breaks the chain."""
    _, (one, two, rest) = retired
    for order in ((one, rest), (two, one, rest), (one, one, two, rest)):
        (result,) = verify_export(*order)
        assert result.fault is not None, order
        assert result.fault.kind == "gap"


@pytest.mark.parametrize("which", [0, 1, 2])
def test_an_edited_file_is_found(
    retired: tuple[Staff, list[Path]], tmp_path: Path, which: int
) -> None:
    """Of every line of every file one byte is changed, or the line left out: nothing passes."""
    _, files = retired
    lines = files[which].read_bytes().splitlines(keepends=True)
    edited_file = tmp_path / "edited.jsonl"
    given = [*files[:which], edited_file, *files[which + 1 :]]
    dice = random.Random(5)
    for number, line in enumerate(lines):
        at = dice.choice([place for place, byte in enumerate(line) if chr(byte).isdigit()])
        changed = line[:at] + (b"1" if line[at : at + 1] != b"1" else b"2") + line[at + 1 :]
        for other in (changed, b""):
            edited_file.write_bytes(b"".join([*lines[:number], other, *lines[number + 1 :]]))
            assert not _holds(given), (number, at, other)


def _holds(files: list[Path]) -> bool:
    try:
        return all(result.fault is None for result in verify_export(*files))
    except CommandError as refusal:
        return refusal.code is not Exit.EVIDENCE


@pytest.mark.parametrize(("table", "change", "where"), EDITS)
def test_an_edited_row_is_named_after_pruning(
    cluster: Cluster, retired: tuple[Staff, list[Path]], table: str, change: str, where: str
) -> None:
    """Rows that outlived their events are held to the checkpoint, the others to their events."""
    staff, _ = retired
    statement = sql.SQL("UPDATE {} SET {} WHERE tenant_id = %s AND ({})").format(
        sql.Identifier("enforcement", table),
        sql.SQL(change),  # type: ignore[arg-type]  # a constant
        sql.SQL(where),  # type: ignore[arg-type]  # a constant
    )
    with edited(cluster, staff, table, statement) as changed:
        assert changed > 0
        assert _fault(cluster, staff) is not None
    assert _fault(cluster, staff) is None


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("checkpoint_rows", "UPDATE {} SET state = replace(state, '0', '1')"),
        ("checkpoint_rows", "UPDATE {} SET sequence = sequence + 1"),
        ("checkpoint_rows", "DELETE FROM {}"),
        ("ledger_heads", "UPDATE {} SET archived_sequence = archived_sequence + 1"),
        ("ledger_heads", "UPDATE {} SET archived_sequence = 0"),
        ("ledger_heads", "UPDATE {} SET archived_hash = sha256('x')"),
    ],
)
def test_an_edited_anchor_is_found(
    cluster: Cluster, retired: tuple[Staff, list[Path]], table: str, statement: str
) -> None:
    """Neither the checkpoint nor the anchor can be edited: the ledger has their digests."""
    staff, _ = retired
    edit = sql.SQL(statement + " WHERE tenant_id = %s").format(  # type: ignore[arg-type]  # constants
        sql.Identifier("enforcement", table)
    )
    with edited(cluster, staff, table, edit) as changed:
        assert changed > 0
        assert _fault(cluster, staff) is not None
    assert _fault(cluster, staff) is None


def test_nothing_edited_is_archived(cluster: Cluster, tmp_path: Path) -> None:
    """A history that does not hold stays where it is, and no file appears."""
    staff = cluster.run(live)
    out = tmp_path / "out.jsonl"
    edit = sql.SQL("UPDATE enforcement.reconciliations SET notes = 'x' WHERE tenant_id = %s")
    with (
        edited(cluster, staff, "reconciliations", edit.format()),
        pytest.raises(CommandError) as refusal,
    ):
        archive(cluster.owner_dsn, _name(cluster, staff), older_than=NOW, out=out)
    assert refusal.value.code is Exit.EVIDENCE
    assert "reconciliations" in refusal.value.message
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_old_enough_goes(cluster: Cluster, staff: Staff, tmp_path: Path) -> None:
    """With nothing older than a day there is nothing to archive, which is no success."""
    with pytest.raises(CommandError) as refusal:
        archive(
            cluster.owner_dsn,
            _name(cluster, staff),
            older_than=timedelta(days=1),
            out=tmp_path / "out.jsonl",
        )
    assert refusal.value.code is Exit.INCONCLUSIVE
    assert list(tmp_path.iterdir()) == []


def test_the_application_cannot_prune(
    cluster: Cluster, retired: tuple[Staff, list[Path]], tmp_path: Path
) -> None:
    """Moving the anchor and removing rows take the owner; the application may do neither."""
    staff, _ = retired
    out = tmp_path / "three.jsonl"
    archive(cluster.app_dsn, _name(cluster, staff), older_than=NOW, out=out)
    with pytest.raises(CommandError) as refusal:
        prune(cluster.app_dsn, out)
    assert "may not act as enforcement_owner" in refusal.value.message
    for statement in (
        "SELECT enforcement.prune_part(%s, 10)",
        "SELECT enforcement.move_anchor(%s, gen_random_uuid(), '{}')",
        "DELETE FROM enforcement.checkpoint_rows WHERE tenant_id = %s",
        "UPDATE enforcement.pruning SET pruned_sequence = 0 WHERE tenant_id = %s",
    ):
        with (
            psycopg.connect(cluster.app_dsn) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement, [staff.tenant_id])  # type: ignore[arg-type]  # a constant
    assert _fault(cluster, staff) is None


def test_rows_that_are_not_archived_are_never_removed(cluster: Cluster, staff: Staff) -> None:
    """Not even by who says that it is pruning."""
    cluster.run(lambda db: gates.evaluate(db, staff.member, ask("1")))
    with psycopg.connect(cluster.owner_dsn) as connection:
        connection.execute("SET enforcement.pruning = 'on'")
        with pytest.raises(psycopg.Error) as refusal:
            connection.execute(
                "DELETE FROM enforcement.ledger WHERE tenant_id = %s", [staff.tenant_id]
            )
    assert refusal.value.sqlstate == "EN002"


def test_an_archive_of_another_history_is_refused(
    cluster: Cluster, retired: tuple[Staff, list[Path]], tmp_path: Path
) -> None:
    """An old archive, an export and a tampered archive are not what may be removed."""
    staff, (one, two, rest) = retired
    before = cluster.sql("SELECT count(*) FROM enforcement.ledger")
    tampered = tmp_path / "tampered.jsonl"
    tampered.write_bytes(two.read_bytes().replace(b'"occurred_at":"2', b'"occurred_at":"1', 1))
    for path in (one, rest, tampered):
        with pytest.raises(CommandError) as refusal:
            prune(cluster.owner_dsn, path)
        assert refusal.value.code is Exit.EVIDENCE
    assert cluster.sql("SELECT count(*) FROM enforcement.ledger") == before
    prune(cluster.owner_dsn, two)  # which is done: again changes nothing
    assert cluster.sql("SELECT count(*) FROM enforcement.ledger") == before
    assert _fault(cluster, staff) is None


def test_two_cannot_prune_at_once(cluster: Cluster, retired: tuple[Staff, list[Path]]) -> None:
    """The second is told so."""
    staff, files = retired
    with (
        anchors.keeper(cluster.owner_dsn, staff.tenant_id),
        pytest.raises(CommandError, match="by another process"),
    ):
        prune(cluster.owner_dsn, files[1])


def test_reads_say_what_is_archived(cluster: Cluster, retired: tuple[Staff, list[Path]]) -> None:
    """Parity is of what is here, and says where that begins; it holds over what outlived it."""
    staff, _ = retired
    (outcome,) = ledger.verify(cluster.owner_dsn, staff.tenant_id)

    async def work(db: Database) -> list[parity.Parity]:
        assert await ledger.archived_sequence(db, staff.admin) == outcome.since
        newest = await parity.newest(db, staff.admin, limit=1000)
        now = newest.decisions
        assert now > 0
        rows = json.loads(await ledger.page_json(db, staff.admin, limit=1000))
        first = min(row["occurred_at"] for row in rows)
        last = max(row["occurred_at"] for row in rows)
        window = await parity.window(
            db,
            staff.admin,
            start_at=instant(first) - timedelta(days=1),
            end_at=instant(last) + timedelta(days=1),
        )
        return [newest, window]

    for seen in cluster.run(work):
        assert seen.parity_ok, seen
        assert seen.archived_sequence == outcome.since
        assert seen.first_sequence is not None
        assert seen.first_sequence > outcome.since


def test_a_prune_that_is_killed_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    """Killed again and again beside live gates: always provable, in the end complete."""
    staff = cluster.run(make_staff)
    out = tmp_path / "killed.jsonl"
    dice = random.Random(11)

    async def decide(db: Database, count: int) -> None:
        for _ in range(count):
            answer = await gates.evaluate(db, staff.member, ask("0"))
            assert answer.decision.outcome is Outcome.ALLOW

    cluster.run(lambda db: decide(db, 1200))
    archive(cluster.owner_dsn, _name(cluster, staff), older_than=NOW, out=out)
    arguments = command("ledger", "prune", "--dsn", cluster.owner_dsn, "--archive", str(out))
    env = environment(tmp_path / "state")
    kills = 0
    while True:
        started = time.monotonic()
        process = subprocess.Popen(
            arguments, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        # On a quick machine a prune is done within a second: the first is always cut off.
        wait = dice.uniform(0.2, 1.6) if kills else 0.05
        try:
            _, said = process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            if kills > 25:  # slow machine: let one come through
                dice = random.Random(0)
                subprocess.run(arguments, env=env, check=True, timeout=120)
                break
        else:
            assert process.returncode == 0, said
            break
        cluster.run(lambda db: decide(db, 3))
        assert _fault(cluster, staff) is None, (kills, time.monotonic() - started)
    assert kills > 0
    assert _fault(cluster, staff) is None
    rest = tmp_path / "rest.jsonl"
    export_ledger(cluster.app_dsn, _name(cluster, staff), rest)
    (whole,) = verify_export(out, rest)
    assert (whole.fault, whole.since) == (None, 0)
    assert cluster.sql(
        "SELECT count(*) FROM enforcement.ledger l JOIN enforcement.ledger_heads h"
        " USING (tenant_id) WHERE tenant_id = %s AND l.sequence <= h.archived_sequence",
        staff.tenant_id,
    ) == [(0,)]


def test_a_checkpoint_is_what_its_digest_says() -> None:
    """Where it is, the hash there and the order of its rows all count."""
    empty = Checkpoint(sequence=1, entry_hash=bytes(32), rows=[])
    others = (
        Checkpoint(sequence=2, entry_hash=bytes(32), rows=[]),
        Checkpoint(sequence=1, entry_hash=bytes([1]) * 32, rows=[]),
    )
    assert len({each.sha256() for each in (empty, *others)}) == 3


def test_gates_go_on_while_rows_are_removed(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part that is being removed holds no tenant's lock: a gate decides in the middle of it."""
    staff = cluster.run(make_staff)
    out = tmp_path / "out.jsonl"

    async def work(db: Database) -> None:
        for _ in range(5):
            await gates.evaluate(db, staff.member, ask("0"))

    cluster.run(work)
    archive(cluster.owner_dsn, _name(cluster, staff), older_than=NOW, out=out)
    with monkeypatch.context() as patched:
        patched.setattr(anchors.Keeper, "prune", lambda _: None)
        prune(cluster.owner_dsn, out)
    with psycopg.connect(cluster.owner_dsn) as connection:
        connection.execute("SET ROLE enforcement_owner")
        connection.execute(
            "SELECT set_config('enforcement.tenant_id', %s, true)", [str(staff.tenant_id)]
        )
        connection.execute("SELECT enforcement.prune_part(%s, 3)", [staff.tenant_id])

        async def meanwhile(db: Database) -> None:
            async with asyncio.timeout(20):
                answer = await gates.evaluate(db, staff.member, ask("0"))
                assert answer.decision.outcome is Outcome.ALLOW

        cluster.run(meanwhile)
        connection.commit()
    assert _fault(cluster, staff) is None  # a part is gone, the other is leaving
    prune(cluster.owner_dsn, out)
    assert _fault(cluster, staff) is None
