"""An injection that is stopped or killed: what it keeps, and that it leaves nothing behind."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stressproof.faults.proxy.sockets import owner_of
from stressproof.processes import ProcessRef, below, lives, wait_for

ROOT = Path(__file__).parents[3]
HANG_S = 60.0


@contextlib.contextmanager
def injection(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", list[ProcessRef]]]:
    """Yield an injection in the middle of a black hole, and every process below it."""
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    command = [
        *(sys.executable, "scripts/inject_enforcement_failures.py", "--scenario", "FI-001"),
        *("--output", str(folder / "out.json"), "--executed-by", "ada", "--approved-by", "grace"),
    ]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "black_hole" in line:
                break
        family = below(process.pid)
        assert len(family) > 5
        try:
            yield process, family
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_injection_undoes_its_fault_and_keeps_its_evidence(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """The artifact says that it was interrupted, nothing is listed as active, nothing runs."""
    with injection(tmp_path) as (process, family):
        process.send_signal(number)
        assert process.wait(HANG_S) == code
        wait_for("processes left", lambda: not any(map(lives, family)), HANG_S)
    assert json.loads((tmp_path / "out.json").read_bytes())["status"] == "interrupted"
    assert list((tmp_path / "state/stressproof/active_faults").iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killed_injection_leaves_no_process(tmp_path: Path) -> None:
    """Proxy, service and database end with whoever started them, also after SIGKILL."""
    with injection(tmp_path) as (process, family):
        process.kill()
        process.wait(HANG_S)
        wait_for("processes left", lambda: not any(map(lives, family)), HANG_S)


def test_owner_of_a_port_is_found_among_candidates() -> None:
    """A connection is traced to the process that holds its end."""
    program = (
        "import socket, sys, time\n"
        "one = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
        "print(one.getsockname()[1], flush=True)\n"
        "time.sleep(60)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        with subprocess.Popen(
            [sys.executable, "-c", program, port], stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout is not None
            held = int(holder.stdout.readline())
            try:
                assert owner_of(held, [os.getpid(), holder.pid]) == holder.pid
                assert owner_of(held, [os.getpid()]) is None
            finally:
                holder.kill()
    assert owner_of(held, [os.getpid()]) is None
