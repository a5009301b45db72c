"""What a load shows while it runs: on a terminal over itself, elsewhere now and then."""

import io
import os
import pty
import select

import msgspec
import pytest

from stressproof.capture.plan import Plan, plan_capture
from stressproof.config.profile import Profile
from stressproof.config.stress_requirements import StressRequirements
from stressproof.load.result import Tick
from stressproof.report.lines import Line
from stressproof.report.load_progress import round_state
from stressproof.report.progress import Progress
from stressproof.suite import Suite
from stressproof.workload.executors import ConstantVus, Executor, RampingArrivalRate, Stage
from stressproof.workload.requests import Request

pytestmark = pytest.mark.gate

S = 1_000_000
ENDED = Tick(
    elapsed_s=7.0,
    ramping=False,
    requests=2380,
    failures={"timeout": 2, "status_503": 9, "reset": 1, "status_404": 1},
    rps=29.4,
    p50_us=8_700,
    p95_us=19_000,
    p99_us=None,
)


def plan(executor: Executor) -> Plan:
    """Return a capture of two rounds."""
    asked = Profile(name="shop", endpoints=(Request(name="/", method="GET", path="/"),))
    limits = StressRequirements(
        profile="shop", max_p95_seconds=1.0, max_error_rate_percent=1.0, min_throughput_rps=0.0
    )
    return plan_capture(
        "http://127.0.0.1:1",
        Suite(name="shop", version="1", profiles=(asked,), stress=(limits,)),
        asked,
        executor=executor,
        rounds=2,
    )


def texts(tick: Tick, executor: Executor) -> list[str]:
    """Return what is shown of a round."""
    return [str(line) for line in round_state(1, tick, plan(executor))]


def test_a_round_shows_what_is_asked_and_reached() -> None:
    """Time left, rate reached and asked, users, latency of now, failures by kind."""
    stages = RampingArrivalRate(10, (Stage(10 * S, 50),), max_users=20, ramp_us=2 * S)
    assert texts(ENDED, stages) == [
        "round 1/2  5 s left",
        "29.4/s of 30/s asked, up to 20 users",
        "p50 8.7 ms  p95 19 ms  p99 no data  in the last second",
        "✗ 13 of 2,380 failed: status_503 x 9, timeout x 2, reset x 1 and 1 more",
    ]
    assert texts(ENDED, ConstantVus(10, 10 * S, ramp_us=2 * S))[1] == "29.4/s, 10 users"


def test_a_ramp_is_named_as_one() -> None:
    """Nobody takes its figures for those of the round; its level rises."""
    ramp = msgspec.structs.replace(ENDED, elapsed_s=0.5, ramping=True)
    assert texts(ramp, ConstantVus(10, 10 * S, ramp_us=2 * S)) == [
        "round 1/2  ramp, 2 s left; nothing of it is measured",
        "3 users",
    ]


def said(stream: io.StringIO) -> list[str]:
    """Return what stands in a file."""
    return stream.getvalue().splitlines()


def test_a_file_gets_a_plain_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where colours are forced: nothing is redrawn where nobody looks."""
    for forced in ("", "1"):
        monkeypatch.setenv("FORCE_COLOR", forced)
        monkeypatch.delenv("NO_COLOR", raising=False)
        stream, now = io.StringIO(), [100.0]
        with Progress(stream, clock=lambda now=now: now[0]) as progress:
            progress.phase("round 1/2")
            for second in range(25):
                now[0] = 100.0 + second
                progress.state([Line(f"second {second}"), Line("8 users")])
        assert said(stream) == [
            "round 1/2",
            "  second 10; 8 users",
            "  second 20; 8 users",
        ]


def test_a_terminal_is_redrawn_and_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is gone once it is over; what is too long is cut, never wrapped."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, Progress(terminal) as progress:
        progress.state([Line("x" * 100)])
        progress.phase("done")
    shown = b""
    while select.select([ours], [], [], 0.2)[0]:
        try:
            shown += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)
    text = shown.decode()
    assert "x" * 37 + "…" in text
    assert "x" * 38 not in text
    assert "\x1b[2K" in text  # the state's line is emptied
    assert text.replace("\r", "").rstrip("\n").endswith("done")
