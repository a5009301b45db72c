"""The parent, its workers, and how they end."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from enforcement.api import counters
from enforcement.api.paths import PREFIX
from enforcement.domain.enums import Role
from enforcement.domain.identity import Caller
from running_service import (
    CEILING_S,
    Service,
    Tenant,
    World,
    command,
    environment,
    eventually,
    gate_body,
    sign,
    start,
)

Starter = Callable[..., Service]
PATIENT = {"ENFORCEMENT_WORKER_TIMEOUT_SECONDS": "300"}


@pytest.fixture
def begin(world: World, tmp_path: Path) -> Iterator[Starter]:
    """Start services of the test's own; they are stopped afterwards."""
    made: list[Service] = []

    def starter(*arguments: str, **given: object) -> Service:
        folder = tmp_path / f"service-{len(made)}"
        folder.mkdir()
        running = start(folder, "--dsn", world.dsn, *arguments, **given)  # type: ignore[arg-type]
        made.append(running)
        return running

    yield starter
    for running in made:
        if running.process.poll() is None:
            running.process.kill()
        running.stop()


def alive(pid: int) -> bool:
    """Say whether a process exists and is not a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def ask(running: Service, times: int, tenant: Tenant) -> int:
    """Ask for the limits on connections of their own; return how many answers were 200."""
    headers = tenant.headers()
    return sum(
        httpx.get(f"{running.url}{PREFIX}/limits", headers=headers, timeout=20).status_code == 200
        for _ in range(times)
    )


def count(running: Service, tenant: Tenant) -> int:
    """Return what /metrics says of the limits route."""
    text = httpx.get(f"{running.url}/metrics", headers=tenant.headers(), timeout=20).text
    start_of = f'http_server_requests_total{{http_request_method="GET",http_route="{PREFIX}/limits"'
    return sum(int(line.split()[-1]) for line in text.splitlines() if line.startswith(start_of))


@pytest.fixture(scope="module")
def hardy(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose workers are killed and frozen by several tests; it logs every request."""
    running = start(
        tmp_path_factory.mktemp("hardy"),
        "--dsn",
        world.dsn,
        "--request-log",
        "all",
        env={"ENFORCEMENT_WORKER_TIMEOUT_SECONDS": "2"},
    )
    yield running
    assert running.stop() == 0


def await_replacement(running: Service, slot: int, old: int) -> None:
    """Wait until a slot has another worker, and that one serves."""

    def replaced() -> bool:
        with running.counters() as file:
            new, ready = file.read(slot, counters.PID), file.read(slot, counters.READY)
        return new not in {0, old} and ready == 1

    eventually(replaced, "the worker is replaced")


def test_a_killed_worker_is_replaced_and_its_counts_live_on(hardy: Service, tenant: Tenant) -> None:
    """With every worker killed in turn the service goes on, and /metrics forgets nothing."""
    before = count(hardy, tenant)
    instance = httpx.get(f"{hardy.url}/health", timeout=20).json()["instance_id"]
    assert ask(hardy, 20, tenant) == 20
    for slot, pid in enumerate(hardy.worker_pids()):
        os.kill(pid, signal.SIGKILL)
        await_replacement(hardy, slot, pid)
    assert ask(hardy, 20, tenant) == 20
    assert count(hardy, tenant) - before == 40
    assert httpx.get(f"{hardy.url}/health", timeout=20).json()["instance_id"] == instance
    assert "worker_lost" in hardy.log()


def test_a_frozen_worker_is_replaced(hardy: Service, tenant: Tenant) -> None:
    """A worker that was stopped shows no life, is killed, and another takes its place."""
    frozen = hardy.worker_pids()[0]
    os.kill(frozen, signal.SIGSTOP)
    await_replacement(hardy, 0, frozen)
    assert not alive(frozen)
    assert "silent for" in hardy.log()
    assert ask(hardy, 10, tenant) == 10


def test_workers_die_with_a_killed_parent(begin: Starter) -> None:
    """SIGKILL of the parent leaves no worker, and the port free."""
    running = begin()
    workers = running.worker_pids()
    assert all(alive(pid) for pid in workers)
    running.process.kill()
    running.process.wait()
    eventually(lambda: not any(alive(pid) for pid in workers), "no worker is left")
    port = int(running.url.rsplit(":", 1)[1])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def test_a_stop_loses_no_answered_write(begin: Starter, world: World, tenant: Tenant) -> None:
    """SIGTERM amid writes: exit 0, every answered decision in the ledger, no process left."""
    running = begin()
    workers = running.worker_pids()
    answered: list[str] = []
    stopping = threading.Event()

    def write() -> None:
        headers = tenant.headers("member")
        with httpx.Client(base_url=running.url, timeout=20) as client:
            while True:
                try:
                    answer = client.post(
                        f"{PREFIX}/gate/terraform", headers=headers, json=gate_body()
                    )
                except httpx.HTTPError:
                    if stopping.is_set():
                        return
                    raise
                if answer.status_code == 200:
                    answered.append(answer.json()["decision_id"])

    writers = [threading.Thread(target=write) for _ in range(6)]
    for writer in writers:
        writer.start()
    eventually(lambda: len(answered) >= 30, "some writes are answered")
    stopping.set()
    assert running.stop() == 0
    for writer in writers:
        writer.join()
    rows = world.query(
        "SELECT decision_id::text FROM enforcement.ledger WHERE tenant_id = %s"
        " AND event::text LIKE 'decision%%'",
        (tenant.tenant_id,),
    )
    assert set(answered) <= {row[0] for row in rows}
    assert not any(alive(pid) for pid in workers)
    assert "worker_killed" not in running.log()


def test_a_stop_answers_what_is_in_flight(begin: Starter, world: World, tenant: Tenant) -> None:
    """A gate that waits for its tenant's lock when SIGTERM comes is decided and answered."""
    running = begin("--gate-timeout-seconds", "20", workers=1)
    answers: list[httpx.Response] = []

    def gate() -> None:
        answers.append(running.post("/gate/terraform", tenant.headers("member"), gate_body()))

    def waiting() -> bool:
        sql = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        return bool(world.query(sql)[0][0])

    with psycopg.connect(world.admin_dsn) as blocker:
        blocker.execute("SELECT enforcement.enter_locked(%s, 1000)", (tenant.tenant_id,))
        asking = threading.Thread(target=gate)
        asking.start()
        eventually(waiting, "the gate waits for the lock")
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert running.process.poll() is None
        blocker.rollback()
    asking.join()
    assert running.ended() == 0
    assert (answers[0].status_code, answers[0].json()["fail_safe"]) == (200, False)
    assert world.events(tenant, "decision") == 1


def test_a_stop_does_not_wait_for_ever(begin: Starter) -> None:
    """A worker that does not stop in its time is killed, and the parent still exits 0."""
    running = begin("--drain-seconds", "1", workers=1, env=PATIENT)
    frozen = running.worker_pids()[0]
    os.kill(frozen, signal.SIGSTOP)
    assert running.stop() == 0
    assert not alive(frozen)
    assert "worker_killed" in running.log()


def test_interrupting_twice_stops_at_once(begin: Starter) -> None:
    """A second SIGINT ends the drain."""
    running = begin("--drain-seconds", "300", workers=1, env=PATIENT)
    os.kill(running.worker_pids()[0], signal.SIGSTOP)
    running.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(CEILING_S) == 0


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


def test_a_port_in_use_is_one_line_and_usage(world: World, tmp_path: Path) -> None:
    """A taken port ends the start with exit 2, one line and a remedy, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(
            "serve",
            "--port",
            port,
            "--dsn",
            world.dsn,
            "--data-dir",
            str(tmp_path / "d"),
            state=tmp_path,
        )
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[0] == f"enforcement: cannot listen on 127.0.0.1:{port}: Address already in use"
    assert "--port" in lines[1]
    assert len(lines) == 2


def test_every_wrong_setting_is_listed(tmp_path: Path) -> None:
    """Wrong flags and variables are all named at once, with exit 2."""
    done = run(
        "serve",
        "--port",
        "99999",
        "--workers",
        "0",
        state=tmp_path,
        ENFORCEMENT_DSN="",
        ENFORCEMENT_GATE_TIMEOUT_SECONDS="nan",
        ENFORCEMENT_JWT_SECRET="short",
        ENFORCEMENT_UNSAFE_LOCKS_OFF="1",
        ENFORCEMENT_REQUEST_LOG="some",
    )
    assert done.returncode == 2
    for name in (
        "--port",
        "--workers",
        "ENFORCEMENT_DSN is empty",
        "ENFORCEMENT_GATE_TIMEOUT_SECONDS",
        "ENFORCEMENT_JWT_SECRET",
        "ENFORCEMENT_UNSAFE_LOCKS_OFF",
        "ENFORCEMENT_REQUEST_LOG",
    ):
        assert name in done.stderr
    assert "short" not in done.stderr
    assert "Traceback" not in done.stderr


def test_two_services_do_not_share_a_data_folder(hardy: Service, world: World) -> None:
    """A data folder in use is refused with exit 2 and the process that holds it."""
    done = run(
        "serve",
        *("--port", "0"),
        *("--dsn", world.dsn),
        *("--data-dir", str(hardy.data_dir)),
        state=hardy.data_dir.parent,
    )
    assert done.returncode == 2
    assert f"in use by process {hardy.process.pid}" in done.stderr


def test_a_service_starts_with_its_database_away(tmp_path: Path) -> None:
    """With nothing behind its DSN the service starts, lives, and says that the database is down."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        running = start(
            tmp_path,
            "--dsn",
            f"postgresql://nobody@127.0.0.1:{port}/none",
            workers=1,
            env={"ENFORCEMENT_UNSAFE_LOCK_OFF": "1"},
        )
        try:
            assert running.client.get("/health/live").status_code == 200
            nobody = Caller(tenant_id=uuid.uuid4(), principal_id=uuid.uuid4(), role=Role.MEMBER)
            headers = {"authorization": f"Bearer {sign(nobody)}"}
            health = running.client.get("/health", headers=headers)
            assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
            assert health.json()["unsafe"] == ["lock_off"], "a switched off protection must show"
        finally:
            assert running.stop() == 0


def test_logs_are_json_and_requests_can_be_logged(hardy: Service, tenant: Tenant) -> None:
    """With all requests logged each has a line with its id, route, status and tenant."""
    hardy.get("/limits", {**tenant.headers(), "x-request-id": "find-me"})
    lines = [json.loads(line) for line in hardy.log().splitlines()]
    mine = next(line for line in lines if line.get("request_id") == "find-me")
    assert (mine["route"], mine["status"]) == (f"{PREFIX}/limits", 200)
    assert mine["tenant_id"] == str(tenant.tenant_id)
