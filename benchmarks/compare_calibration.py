"""How often is `stressproof compare` wrong? Measured, on real rounds against a known server.

A loopback server answers after a known time. Rounds against it alternate between three sides: A,
A again (an identical build) and B (the same with a planted slowdown). Each group of rounds is one
comparison of A with A, whose failure is a false alarm, and one of A with B, whose failure is right.

Eight rounds of each side: with five, one round that another process disturbs hides a slowdown of
10 % (never the reverse); with eight it takes two.

    uv run python benchmarks/compare_calibration.py --trials 100

Exit 0 where fewer than 5 % of identical builds failed and at least 95 % of the slowdowns were
found; 1 where not.
"""

import argparse
import contextlib
import itertools
import json
import math
import multiprocessing
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from multiprocessing.connection import Connection

from stressproof.evidence.measurements import RunMeasurements
from stressproof.evidence.run_clock import RunClock
from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.load.run import run_round
from stressproof.objectives.bounds import share_bounds
from stressproof.objectives.comparability import Round
from stressproof.objectives.comparison import Comparison, Question, compare_rounds
from stressproof.outcome import Outcome
from stressproof.workload.executors import ConstantVus
from stressproof.workload.requests import Request
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
SERVICE_MS = 20.0
MOST_FALSE_ALARMS = 0.05
LEAST_FOUND = 0.95
REPORT_EVERY = 10
MOST_RETRIES = 20
RETAKEN: Counter[str] = Counter()
RECORD = WorkloadEndpoint("/", "GET", "/", 1, [200], None)


def serve(ready: Connection, service_ms: float) -> None:
    """Answer every request after a fixed time, each connection in its own thread."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    ready.send(listener.getsockname()[1])

    def converse(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            while connection.recv(65536):
                time.sleep(service_ms / 1000)
                connection.sendall(ANSWER)

    def leave_with_the_parent() -> None:
        # Nothing is ever sent: the pipe ends when whoever started this is gone, however it went.
        with contextlib.suppress(EOFError):
            ready.recv()
        os._exit(0)

    threading.Thread(target=leave_with_the_parent, daemon=True).start()
    with ThreadPoolExecutor(max_workers=256) as threads:
        while True:
            connection, _ = listener.accept()
            threads.submit(converse, connection)


@contextlib.contextmanager
def server(service_ms: float) -> Iterator[int]:
    """Run a server in a process of its own; yields its port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, service_ms), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def measure(port: int, side: str, users: int, seconds: float) -> Round:
    """Run one short round; one whose generator was saturated is taken again.

    `stressproof compare` refuses such captures: they measured the instrument. What became of the
    comparison does not enter into it, so taking it again favours no side.
    """
    workload = Workload.of(
        Target(f"http://127.0.0.1:{port}"),
        (Request("/", "GET", "/"),),
        ConstantVus(users, int(seconds * 1_000_000)),
        timeout_us=5_000_000,
    )
    found = run_round(workload)
    for _ in range(MOST_RETRIES):
        if not found.health.saturated:
            break
        RETAKEN[side] += 1
        found = run_round(workload)
    run = RunMeasurements(1, found.elapsed_us, found.ramp, found.rows)
    started_at = datetime.fromisoformat(RunClock().at(found.started_ns))
    return Round(side, run, started_at, started_at + timedelta(microseconds=found.elapsed_us))


def trial(ports: dict[str, int], pairs: int, users: int, seconds: float) -> dict[str, Comparison]:
    """Run alternating rounds of all sides, and compare A with each of the others."""
    rounds: dict[str, list[Round]] = {side: [] for side in ports}
    # Every order of the sides in turn: none is always first, so none always finds a warmer machine.
    orders = itertools.cycle(itertools.permutations(ports))
    for order in itertools.islice(orders, pairs):
        for side in order:
            rounds[side].append(measure(ports[side], side, users, seconds))
    return {
        name: compare_rounds(rounds["A"], rounds[side], [RECORD], Question())
        for name, side in (("identical", "same"), ("slower", "B"))
    }


def summary(name: str, outcomes: list[Outcome]) -> dict[str, object]:
    """Return the shares of outcomes, with Clopper-Pearson bounds of the share of failures."""
    failed = outcomes.count(Outcome.FAIL)
    low, high = share_bounds(failed, len(outcomes), 0.025)
    return {
        "comparison": name,
        "comparisons": len(outcomes),
        **{outcome.value: outcomes.count(outcome) for outcome in Outcome},
        "failed_share": failed / len(outcomes),
        "failed_share_95": [round(low, 4), round(high, 4)],
    }


def main() -> int:
    """Run the experiment and print what came out, one line of JSON a comparison and a summary."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=100, help="comparisons of each kind")
    parser.add_argument("--pairs", type=int, default=8, help="rounds of each side in a comparison")
    parser.add_argument("--seconds", type=float, default=0.4, help="length of a round")
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--slowdown", type=float, default=1.10)
    asked = parser.parse_args()
    outcomes: dict[str, list[Outcome]] = {"identical": [], "slower": []}
    p50: dict[str, list[float]] = {"identical": [], "slower": []}
    slow_ms = SERVICE_MS * asked.slowdown
    began = time.monotonic()
    # Two processes for the equal sides: the same build never shares its very process either.
    with server(SERVICE_MS) as a, server(SERVICE_MS) as same, server(slow_ms) as b:
        ports = {"A": a, "same": same, "B": b}
        for side, port in ports.items():
            measure(port, side, asked.users, asked.seconds)  # warm-up
        for number in range(asked.trials):
            for name, found in trial(ports, asked.pairs, asked.users, asked.seconds).items():
                outcomes[name].append(found.outcome)
                p50[name].append(found.figures[0].change or math.nan)
            if (number + 1) % REPORT_EVERY == 0:
                done = {name: each.count(Outcome.FAIL) for name, each in outcomes.items()}
                print(f"{number + 1}/{asked.trials} failed so far: {done}", file=sys.stderr)
    for name, each in outcomes.items():
        told = summary(name, each)
        told["p50_change_median"] = round(sorted(p50[name])[len(each) // 2], 4)
        print(json.dumps(told))
    print(f"rounds taken again for a saturated generator: {dict(RETAKEN)}")
    print(f"took {time.monotonic() - began:.0f} s")
    alarms = outcomes["identical"].count(Outcome.FAIL) / asked.trials
    found_share = outcomes["slower"].count(Outcome.FAIL) / asked.trials
    good = alarms < MOST_FALSE_ALARMS and found_share >= LEAST_FOUND
    print(
        f"{'PASS' if good else 'FAIL'}: false alarms {alarms:.1%} (< 5 %), "
        f"planted slowdowns found {found_share:.1%} (>= 95 %)"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
