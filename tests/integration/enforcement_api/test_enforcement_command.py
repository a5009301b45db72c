"""The command as users meet it: an embedded database, the state file, tokens, the ledger."""

import json
import os
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from enforcement.api.paths import PREFIX
from running_service import (
    APP_PASSWORD,
    CEILING_S,
    Service,
    World,
    command,
    environment,
    eventually,
    gate_body,
    start,
)


def run(
    *arguments: str, state: Path, app_password: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with secrets of its own making."""
    env = {
        name: value
        for name, value in environment(state).items()
        if not name.startswith("ENFORCEMENT_")
    }
    if app_password is not None:
        env["ENFORCEMENT_APP_PASSWORD"] = app_password
    return subprocess.run(
        command(*arguments), env=env, capture_output=True, text=True, timeout=CEILING_S, check=False
    )


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without a DSN: it keeps its own database."""
    folder = tmp_path_factory.mktemp("embedded")
    running = start(
        folder,
        "--seed-decisions",
        "60",
        env={
            "ENFORCEMENT_JWT_SECRET": "",
            "ENFORCEMENT_APPROVAL_SECRET": "",
            "ENFORCEMENT_APP_PASSWORD": "",
        },
    )
    yield running
    state = state_path(running)
    assert running.stop() == 0
    assert not state.exists()
    assert not (running.data_dir / "service.json").exists()


def state_path(running: Service) -> Path:
    """Return where the service leaves its address and token."""
    port = running.url.rsplit(":", 1)[1]
    return running.data_dir.parent / "state" / "enforcement" / f"127.0.0.1_{port}.json"


def test_the_state_file_opens_the_service(embedded: Service) -> None:
    """Its owner alone can read it, and its tokens read the seeded tenant and its neighbours."""
    path = state_path(embedded)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    state = json.loads(path.read_text())
    assert set(state) == {"url", "token", "other_tokens", "instance_id", "pid", "expires"}
    assert (state["url"], state["pid"]) == (embedded.url, embedded.process.pid)
    health = embedded.client.get("/health").json()
    assert health["instance_id"] == state["instance_id"]
    headers = {"authorization": f"Bearer {state['token']}"}
    parity = embedded.get("/exports/parity?limit=50", headers).json()
    assert (parity["parity_ok"], parity["decisions"]) == (True, 50)
    heads = set()
    for token in (state["token"], *state["other_tokens"]):
        bearer = {"authorization": f"Bearer {token}"}
        page = embedded.get("/ledger?limit=1", bearer).json()
        heads.add(page[0]["entry_hash"])
    assert len(heads) == 4
    limits = embedded.get("/limits", headers).json()
    assert min(limits.values()) >= 1_000_000
    secrets = embedded.data_dir / "secrets.json"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600


def test_a_token_can_be_had_for_any_role(embedded: Service) -> None:
    """The token command finds the running service and signs for a principal of that rank."""
    state = embedded.data_dir.parent / "state"
    data = str(embedded.data_dir)
    statuses = {}
    for role in ("member", "admin", "owner"):
        done = run("token", "--data-dir", data, "--role", role, state=state)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        headers = {"authorization": f"Bearer {done.stdout.strip()}"}
        statuses[role] = embedded.get("/ledger?limit=1", headers).status_code
    assert statuses == {"member": 403, "admin": 200, "owner": 200}
    nobody = run("token", "--data-dir", data, "--tenant", "nobody", state=state)
    assert nobody.returncode == 4
    assert "no" in nobody.stderr
    assert "Traceback" not in nobody.stderr


def test_seeding_again_adds_nothing(embedded: Service) -> None:
    """A tenant that has its decisions keeps them; another name makes another tenant."""
    state, data = embedded.data_dir.parent / "state", str(embedded.data_dir)
    for _ in range(2):
        done = run("seed", "--data-dir", data, "--decisions", "60", state=state)
        assert done.returncode == 0, done.stderr
        assert "has 60 decisions" in done.stdout
    limited = run(
        "seed",
        "--data-dir",
        data,
        "--tenant",
        "small",
        "--decisions",
        "0",
        "--tenant-per-minute",
        "7",
        state=state,
    )
    assert limited.returncode == 0, limited.stderr
    token = run("token", "--data-dir", data, "--tenant", "small", state=state).stdout.strip()
    limits = embedded.get("/limits", {"authorization": f"Bearer {token}"}).json()
    assert limits["tenant_per_minute"] == 7


def test_the_ledger_is_verified_from_database_and_export(embedded: Service, tmp_path: Path) -> None:
    """Untouched it verifies with 0; an edited line of the export is named with 6."""
    state, data = embedded.data_dir.parent / "state", str(embedded.data_dir)
    whole = run("ledger", "verify", "--data-dir", data, "--format", "json", state=state)
    assert whole.returncode == 0, whole.stderr
    assert all(json.loads(line)["verified"] for line in whole.stdout.splitlines())
    out = tmp_path / "ledger.jsonl"
    done = run("ledger", "export", "--data-dir", data, "--out", str(out), state=state)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    assert run("ledger", "verify", "--export", str(out), state=state).returncode == 0
    index = next(i for i, row in enumerate(rows) if row["event"] == "decision")
    rows[index]["payload"]["action"] = "something else"
    out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    forged = run("ledger", "verify", "--export", str(out), state=state)
    assert forged.returncode == 6
    assert f"BROKEN at row {index + 1} (wrong_hash)" in forged.stdout
    del rows[index]
    out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert (
        f"row {index + 1} (gap)"
        in run("ledger", "verify", "--export", str(out), state=state).stdout
    )
    out.write_text("not a ledger\n")
    assert run("ledger", "verify", "--export", str(out), state=state).returncode == 6
    out.write_text("")
    assert run("ledger", "verify", "--export", str(out), state=state).returncode == 3


def test_ledger_verify_finds_an_edited_decision(
    service: Service, world: World, tmp_path: Path
) -> None:
    """A decision edited by the owner of the tables is named, and the exit code is 6."""
    tenant = world.tenant()
    world_state = tmp_path / "state"
    answer = service.post("/gate/terraform", tenant.headers(), gate_body())
    assert answer.status_code == 200
    arguments = ("ledger", "verify", "--dsn", world.admin_dsn, "--tenant", str(tenant.tenant_id))
    assert run(*arguments, state=world_state).returncode == 0
    world.query(
        "UPDATE enforcement.decisions SET action = 'delete' WHERE tenant_id = %s RETURNING 1",
        (tenant.tenant_id,),
    )
    forged = run(*arguments, state=world_state)
    assert forged.returncode == 6
    assert "digest_differs" in forged.stdout
    blind = run("ledger", "verify", "--dsn", world.dsn, state=world_state)
    assert blind.returncode == 4
    assert "row-level security" in blind.stderr
    nobody = run(
        "ledger",
        "verify",
        "--dsn",
        world.admin_dsn,
        "--tenant",
        str(uuid.uuid4()),
        state=world_state,
    )
    assert nobody.returncode == 3


def test_migrate_prints_the_dsn_of_the_service(fresh_database: str, tmp_path: Path) -> None:
    """Migrating an empty database gives a DSN that is not its owner's, and may be repeated."""
    printed = set()
    for _ in range(2):
        done = run(
            *("migrate", "--dsn", fresh_database, "--data-dir", str(tmp_path / "d")),
            state=tmp_path,
            app_password=APP_PASSWORD,
        )
        assert done.returncode == 0, done.stderr
        printed.add(done.stdout.strip())
    assert len(printed) == 1
    with psycopg.connect(printed.pop()) as connection:
        row = connection.execute(
            "SELECT current_user, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == ("enforcement_app", False, False)


def test_migrate_takes_no_password_from_another_service(world: World, tmp_path: Path) -> None:
    """The role belongs to the whole server: whoever comes second must know its password."""
    refused = run(
        "migrate", "--dsn", world.admin_dsn, "--data-dir", str(tmp_path / "d"), state=tmp_path
    )
    assert refused.returncode == 4
    assert "enforcement_app" in refused.stderr
    assert "ENFORCEMENT_APP_PASSWORD" in refused.stderr
    assert "--replace-app-password" in refused.stderr
    psycopg.connect(world.dsn).close()


def test_an_unreachable_database_is_one_line(tmp_path: Path) -> None:
    """Commands that need a database end with 4 where there is none, with 2 where none is named."""
    nowhere = "postgresql://u:hidden-word@127.0.0.1:1/none"
    for arguments in (
        ("migrate", "--dsn", nowhere),
        ("seed", "--dsn", nowhere),
        ("token", "--dsn", nowhere),
        ("ledger", "verify", "--dsn", nowhere),
    ):
        done = run(*arguments, "--data-dir", str(tmp_path / "d"), state=tmp_path)
        assert (arguments, done.returncode) == (arguments, 4), done.stderr
        assert done.stderr.startswith("enforcement: ")
        assert "Traceback" not in done.stderr
        assert "hidden-word" not in done.stderr
    unnamed = run("token", "--data-dir", str(tmp_path / "d"), state=tmp_path)
    assert unnamed.returncode == 2
    assert "--dsn" in unnamed.stderr


def test_help_imports_nothing_heavy() -> None:
    """Neither the web framework nor the driver is imported before a command runs."""
    code = (
        "import sys\n"
        "sys.argv = ['enforcement', '--help']\n"
        "import enforcement.cli\n"
        "code = 0\n"
        "try:\n    enforcement.cli.main()\nexcept SystemExit as stop:\n    code = stop.code\n"
        "heavy = {'litestar', 'uvicorn', 'psycopg', 'alembic', 'sqlalchemy', 'msgspec'}\n"
        "sys.exit(code or sorted(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=CEILING_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("serve", "migrate", "token", "seed", "ledger"):
        assert name in done.stdout


def test_a_killed_service_leaves_no_database_behind(tmp_path: Path) -> None:
    """SIGKILL of a service with an embedded database takes the database with it."""
    running = start(tmp_path, "--seed-decisions", "0", workers=1)
    dsn = json.loads((running.data_dir / "service.json").read_text())["admin_dsn"]
    with psycopg.connect(dsn) as connection:
        pids = [row[0] for row in connection.execute("SELECT pid FROM pg_stat_activity").fetchall()]
    running.process.kill()
    running.process.wait()
    running.stop()

    def gone() -> bool:
        return not any(_runs(pid) for pid in pids)

    eventually(gone, "no process of the database is left")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{running.url}{PREFIX}/limits", timeout=5)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
