"""What an operator meets: other schemas, wrong addresses, a database that dies."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from disposable_postgres import PostgresServer
from enforcement.api.paths import PREFIX
from running_service import (
    CEILING_S,
    Service,
    World,
    command,
    environment,
    eventually,
    gate_body,
    make_world,
    start,
)


def run(*arguments: str, state: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        command(*arguments),
        env=environment(state, env),
        capture_output=True,
        text=True,
        timeout=CEILING_S,
        check=False,
    )


@pytest.fixture
def own_world(postgres_server: PostgresServer, tmp_path: Path) -> World:
    """A database of the test's own, whose schema it may change."""
    del tmp_path
    return make_world(postgres_server)


def revision(world: World, name: str) -> None:
    """Pretend that another version has migrated a database."""
    with psycopg.connect(world.admin_dsn, autocommit=True) as connection:
        connection.execute("UPDATE enforcement.alembic_version SET version_num = %s", [name])


def test_a_schema_from_the_future_is_refused(own_world: World, tmp_path: Path) -> None:
    """Neither serve nor migrate touches what a newer version made; a running service says so."""
    running = start(tmp_path, "--dsn", own_world.dsn, workers=1)
    try:
        assert running.client.get("/health").status_code == 200
        revision(own_world, "9999")
        assert running.client.get("/health").status_code == 503
        assert "schema_differs" in running.log()
    finally:
        assert running.stop() == 0
    served = run(
        *("serve", "--port", "0", "--dsn", own_world.dsn, "--data-dir", str(tmp_path / "d")),
        state=tmp_path,
    )
    migrated = run("migrate", "--dsn", own_world.admin_dsn, state=tmp_path)
    for done in (served, migrated):
        assert done.returncode == 4, done.stderr
        assert "9999" in done.stderr
        assert "newer version" in done.stderr
        assert "bug of ours" not in done.stderr
        assert len(done.stderr.splitlines()) == 2


def test_a_database_without_a_schema_is_refused(
    postgres_server: PostgresServer, fresh_database: str, tmp_path: Path
) -> None:
    """A database that nobody migrated ends the start with the command to run."""
    del postgres_server
    served = run(
        *("serve", "--port", "0", "--dsn", fresh_database, "--data-dir", str(tmp_path / "d")),
        state=tmp_path,
    )
    assert served.returncode == 4
    assert "enforcement migrate" in served.stderr


def test_a_wrong_address_is_told_once(tmp_path: Path) -> None:
    """Each worker says in one line why it has no database, and then tries on in silence."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        running = start(tmp_path, "--dsn", f"postgresql://nobody:pass-word@127.0.0.1:{port}/none")
        try:
            time.sleep(4)
            lines = [json.loads(line) for line in running.log().splitlines()]
        finally:
            assert running.stop() == 0
    told = [line for line in lines if line["event"] == "database_unreachable"]
    assert len(told) == running.workers
    assert all(str(port) in line["reason"] and "refused" in line["reason"] for line in told)
    assert len(lines) <= 2 * running.workers, lines
    assert "pass-word" not in running.log()


def test_a_dsn_that_is_none_is_not_quoted(tmp_path: Path) -> None:
    """What cannot be parsed ends every command in one line that does not show it."""
    broken = "postgresql://user:pass-word@[::1/db"
    for arguments in (
        ("serve", "--port", "0", "--data-dir", str(tmp_path / "d")),
        ("migrate",),
        ("seed",),
    ):
        done = run(*arguments, "--dsn", broken, state=tmp_path)
        assert done.returncode == 2, done.stderr
        assert "DSN cannot be parsed" in done.stderr
        assert "pass-word" not in done.stderr + done.stdout


def test_a_token_needs_the_services_folder(world: World, tmp_path: Path) -> None:
    """A mistyped folder is refused and not made; a secret that is given needs none."""
    typo = tmp_path / "dtaa"
    tenant = world.tenant()
    arguments = ("token", "--dsn", world.dsn, "--tenant", tenant.name, "--data-dir", str(typo))
    done = run(*arguments, state=tmp_path, ENFORCEMENT_JWT_SECRET="")
    assert done.returncode == 2
    assert str(typo) in done.stderr
    assert done.stdout == ""
    assert not typo.exists()
    given = run(*arguments, state=tmp_path)
    assert (given.returncode, given.stdout.count(".")) == (0, 2), given.stderr
    assert not typo.exists()


def _postmaster(running: Service) -> int:
    """Return the process of the embedded database; 0 between two of them."""
    lines = [json.loads(line) for line in running.log().splitlines()]
    folder = next(line["folder"] for line in lines if line["event"] == "database_starting")
    words = [path.read_text().split() for path in Path(folder).rglob("postmaster.pid")]
    return int(words[0][0]) if words and words[0] else 0


def test_a_killed_embedded_database_is_started_again(tmp_path: Path) -> None:
    """A postmaster that is killed, twice, is replaced; decisions go on and nothing is lost."""
    running = start(tmp_path, "--seed-decisions", "10")
    port = running.url.rsplit(":", 1)[1]
    state = json.loads((tmp_path / "state/enforcement" / f"127.0.0.1_{port}.json").read_text())
    headers = {"authorization": f"Bearer {state['token']}"}

    def decide() -> bool:
        answer = httpx.post(
            f"{running.url}{PREFIX}/gate/terraform", headers=headers, json=gate_body(), timeout=30
        )
        return answer.status_code == 200 and not answer.json()["fail_safe"]

    try:
        assert decide()
        for _ in range(2):
            before = _postmaster(running)
            os.kill(before, signal.SIGKILL)
            known = {0, before}
            eventually(lambda known=known: _postmaster(running) not in known, "another postmaster")
            eventually(decide, "decisions are made again")
        eventually(
            lambda: (
                "enforcement_embedded_database_restarts_total 2"
                in running.client.get("/metrics", headers=headers).text
            ),
            "restarts are counted",
        )
        parity = running.get("/exports/parity", headers).json()
        assert parity["parity_ok"]
        assert running.log().count("database_lost") == 2
        assert running.log().count("database_restarted") == 2
    finally:
        assert running.stop() == 0
