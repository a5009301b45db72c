"""Worker processes: started together, added up exactly, and never silently lost."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from stressproof.errors import UsageError
from stressproof.exits import Exit
from stressproof.load.run import WorkerLostError
from stressproof.workload.executors import ConstantArrivalRate, ConstantVus, SharedIterations

S = 1_000_000


def workers_of(parent: int) -> list[int]:
    """Return the process ids of a process's workers."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "status").read_text()
                command = (entry / "cmdline").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"\nPPid:\t{parent}\n" in status and "stressproof.load.worker" in command:
                found.append(int(entry.name))
    return sorted(found)


def gone(pid: int) -> bool:
    """Return whether a process has ended."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_workers_add_up(bench: Any) -> None:
    """Two workers send together exactly what one would, on one schedule."""
    service = bench.serve()
    result = bench.run(service, ConstantArrivalRate(100, S, max_users=40), workers=2)
    bench.demand_consistency(result)
    assert [row.intended for row in result.rows] == [100]
    assert bench.outcomes(result)["ok"] == len(service.asked)
    shared = bench.run(service, SharedIterations(3, 101, 30 * S), workers=2)
    assert bench.outcomes(shared) == {"ok": 101}


def test_no_worker_is_without_a_user(bench: Any) -> None:
    """With fewer users than workers every iteration is still sent."""
    result = bench.run(bench.serve(), SharedIterations(1, 10, 30 * S), workers=4)
    assert bench.outcomes(result) == {"ok": 10}


def test_a_worker_that_dies_breaks_the_run(bench: Any) -> None:
    """The run ends at once with exit code 5, keeps its evidence, and leaves nobody behind."""
    service = bench.serve()
    pids: list[int] = []

    def kill_one(tick: Any) -> None:
        if tick.requests and not pids:
            pids.extend(workers_of(os.getpid()))
            os.kill(pids[0], signal.SIGKILL)

    before = time.monotonic()
    with pytest.raises(WorkerLostError, match="killed by signal 9") as caught:
        bench.run(service, ConstantVus(4, 600 * S), workers=2, on_tick=kill_one)
    assert time.monotonic() - before < 60
    assert caught.value.exit_code is Exit.RUN
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)
    partial = caught.value.partial
    assert bench.outcomes(partial)["ok"] > 0
    bench.latency(partial)
    assert not partial.interrupted


def test_an_error_in_a_tick_leaves_no_worker(bench: Any) -> None:
    """Whatever ends the parent's part of a round ends the workers too."""
    pids: list[int] = []

    def fail(_: Any) -> None:
        pids.extend(workers_of(os.getpid()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.run(bench.serve(), ConstantVus(2, 600 * S), workers=2, on_tick=fail)
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)


PARENT = """
import sys
from stressproof.workload.executors import ConstantVus
from stressproof.load.run import run_round
from stressproof.workload.requests import Request
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload

endpoint = Request("/", "GET", "/")
run_round(Workload.of(Target(sys.argv[1]), (endpoint,), ConstantVus(2, 600_000_000)), workers=2)
"""


def test_workers_do_not_outlive_their_parent(bench: Any) -> None:
    """A parent that is killed takes its workers with it."""
    service = bench.serve()
    with subprocess.Popen([sys.executable, "-c", PARENT, service.url]) as parent:
        try:
            bench.wait_until(lambda: len(service.asked) > 10)
            pids = workers_of(parent.pid)
        finally:
            parent.kill()
    assert len(pids) == 2
    bench.wait_until(lambda: all(gone(pid) for pid in pids))


def test_what_is_later_than_its_timeout_is_dropped(bench: Any) -> None:
    """A request that its user would no longer wait for is not sent after all."""
    service = bench.serve()

    def freeze() -> None:
        (pid,) = workers_of(os.getpid())
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.8)
        os.kill(pid, signal.SIGCONT)

    timer = threading.Timer(0.2, freeze)
    result = bench.run(
        service,
        ConstantArrivalRate(100, 3 * S, max_users=300),
        timeout_s=0.4,
        on_tick=lambda _: timer.is_alive() or timer.ident or timer.start(),
    )
    timer.join()
    bench.demand_consistency(result)
    assert sum(row.intended for row in result.rows) == 300
    assert result.health.dropped_iterations >= 20
    assert len(service.asked) == 300 - result.health.dropped_iterations


def test_more_arrivals_than_a_worker_can_count_are_refused(bench: Any) -> None:
    """A rate that cannot be held is said before anything starts."""
    with pytest.raises(UsageError, match="too many"):
        bench.run("http://127.0.0.1:1", ConstantArrivalRate(500_000, S, max_users=10))


def test_a_stalled_generator_hides_nothing(bench: Any) -> None:
    """What was due while the generator slept counts from when it was due, and as late."""
    service = bench.serve()

    def freeze() -> None:
        (pid,) = workers_of(os.getpid())
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.6)
        os.kill(pid, signal.SIGCONT)

    timer = threading.Timer(0.2, freeze)
    result = bench.run(
        service,
        ConstantArrivalRate(100, 3 * S, max_users=100),
        on_tick=lambda _: timer.is_alive() or timer.ident or timer.start(),
    )
    timer.join()
    bench.demand_consistency(result)
    hidden_us = bench.latency(result).sum_us - bench.latency(result, corrected=False).sum_us
    assert hidden_us > 5 * S
    assert result.health.late_starts >= 30
    assert result.health.loop_delay_max_us >= 400_000
    assert result.health.saturated
