"""SIGKILL of the injector at random points of a run: nothing is left that it broke or started."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from disposable_postgres import PostgresServer
from stressproof.processes import ProcessRef, below, lives, state_of, wait_for

HANG_S = 60.0
POINTS = 20

SERVICE = """
    import os, signal, socket, sys, threading, time
    import psycopg

    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # neither ends when it is asked to
    if os.fork() == 0:
        time.sleep(600)

    def serve(connection):
        with connection:
            while data := connection.recv(4096):
                connection.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok")

    def ask(url):
        while True:
            try:
                with psycopg.connect(url, autocommit=True, connect_timeout=2) as connection:
                    connection.execute("SET lock_timeout = '300ms'")
                    while True:
                        connection.execute("UPDATE things SET n = n + 1")
                        time.sleep(0.02)
            except psycopg.Error:
                time.sleep(0.05)

    for url in sys.argv[2:]:
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""

FILE = """
[profile.web]
rate = "20/s"
timeout = "2s"
[[profile.web.request]]
name = "page"
path = "/"

[testbed]
target = "web"
[testbed.postgres.db]
load = ["schema.sql"]
disk = "160MiB"
[testbed.postgres.theirs]
dsn = "${{THEIRS}}"
[testbed.process.web]
run = ["{python}", "service.py", "{{{{port}}}}", "{{{{db.url}}}}", "{{{{theirs.url}}}}"]
stop_within = "200ms"
{failures}
"""

FAILURE = """
[[failure]]
id = "WEB-{number}"
title = "One thing broken"
question = "Is it whole again?"
load = "web"
steady = "1s"
recover = "0s"
[[failure.fault]]
id = "it"
lasts = "1500ms"
{fault}
"""

FAULTS = (
    'kind = "freeze"\ntarget = "db"',
    'kind = "freeze"\ntarget = "web"',
    'kind = "kill"\ntarget = "db"',
    'kind = "kill"\ntarget = "web"',
    'kind = "stop"\ntarget = "web"',
    'kind = "disk_full"\ntarget = "db"',
    'kind = "latency"\ntarget = "theirs"',
    'kind = "down"\ntarget = "theirs"',
    'kind = "lock"\ntarget = "theirs"\nsql = "LOCK TABLE things"',
    'kind = "read_only"\ntarget = "theirs"',
    'kind = "exhaust_connections"\ntarget = "theirs"',
    """
kind = "command"
target = "web"
mark = ["echo", "on"]
run = ["touch", "broken"]
undo = ["rm", "-f", "broken"]
witness = [{ name = "broken", run = ["sh", "-c", "ls broken 2>/dev/null | wc -l"] }]
""",
)


@pytest.fixture(scope="module")
def theirs() -> Iterator[PostgresServer]:
    """Yield a server that runs already, given up by its owner."""
    with PostgresServer.start(settings={"max_connections": "20"}) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("CREATE TABLE things AS SELECT 1 AS n")
        yield server


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a service and a failure for each fault."""
    failures = "".join(
        FAILURE.format(number=number, fault=one) for number, one in enumerate(FAULTS)
    )
    (tmp_path / "stressproof.toml").write_text(
        FILE.format(python=sys.executable, failures=failures)
    )
    (tmp_path / "service.py").write_text(textwrap.dedent(SERVICE))
    (tmp_path / "schema.sql").write_text("CREATE TABLE things AS SELECT 1 AS n;")
    return tmp_path


def is_whole(server: PostgresServer) -> bool:
    """Return whether a server takes connections, writes and locks, as it did before."""
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(10):
                opened = psycopg.connect(server.dsn(), autocommit=True, connect_timeout=2)
                stack.callback(opened.close)
                opened.execute("SET lock_timeout = '1s'")
                opened.execute("UPDATE things SET n = n + 1")
    except psycopg.Error:
        return False
    return True


def family_of(process: "subprocess.Popen[bytes]", known: dict[int, ProcessRef]) -> None:
    """Remember what a process has started until now."""
    known.update({one.pid: one for one in below(process.pid)})


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("point", range(POINTS))
def test_killed_injector_leaves_nothing_broken_and_nothing_running(
    point: int, project: Path, theirs: PostgresServer
) -> None:
    """Whatever was broken at that moment, and whatever stands in the way of ending."""
    rng = random.Random(point)  # the same points each time
    number = point % len(FAULTS) if point < len(FAULTS) else rng.randrange(len(FAULTS))
    state = project / "state"
    environment = {
        **os.environ,
        "THEIRS": theirs.dsn(),
        "XDG_STATE_HOME": str(state),
        "STRESSPROOF_LEDGER": str(project / "runs.jsonl"),
    }
    command = [
        *(sys.executable, "-m", "stressproof", "inject", "--scenario", f"WEB-{number}"),
        *("--executed-by", "ada", "--approved-by", "grace", "--output", "out.json"),
        *("--break", "it"),
    ]
    known: dict[int, ProcessRef] = {}
    with subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        # One in five dies while all of it stands up; the others around their fault.
        if rng.random() > 0.2:
            while b": 1 fault" not in (line := process.stderr.readline()):
                assert line, "it ended by itself"
                family_of(process, known)
        until = time.monotonic() + rng.uniform(0.0, 4.0)
        while time.monotonic() < until and process.poll() is None:
            family_of(process, known)
            time.sleep(0.02)
        process.kill()
        process.wait()
        process.stderr.read()  # the watchdog has it too, and is gone with its end
    assert process.returncode == -signal.SIGKILL
    left = [one for one in known.values() if lives(one)]
    wait_for(
        f"{FAULTS[number]}: ended: {left}",
        lambda: not any(map(lives, known.values())),
        HANG_S,
    )
    assert not any(state_of(pid) == "T" for pid in theirs.processes())
    wait_for(f"{FAULTS[number]}: whole", lambda: is_whole(theirs), HANG_S)
    assert not (project / "broken").exists()
    assert list(state.rglob("*.json")) == []
    assert "epg-disk" not in Path("/proc/self/mounts").read_text()
