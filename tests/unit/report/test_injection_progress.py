"""What an injection shows of a trial: its phase, its fault, and what callers see meanwhile."""

import time

import pytest

from enforcement_suite.suite import SUITE
from stressproof.failures.fault_kinds import told
from stressproof.failures.history import read_code
from stressproof.faults.load import Done, Load, Request
from stressproof.faults.trial_state import TrialState
from stressproof.report.injection_progress import trial_state

pytestmark = pytest.mark.gate

SPEC = SUITE.failure_requirements().scenarios[0]
FAULT = SPEC.faults[0]
S = 1_000_000_000


def load(*ended: tuple[float, float, str], now_ns: int) -> Load:
    """Return a load that sends nothing, with requests that took so long and ended so long ago."""
    made = Load(
        "127.0.0.1", 1, [], classify=lambda _, __, ___: "ok", rate_per_s=1, seed=1, timeout_s=1.0
    )
    asked = Request("gate", "POST", "/", {}, b"", 0, lambda _: "")
    for took_s, ago_s, code in sorted(ended, key=lambda one: -one[1]):
        end_ns = now_ns - int(ago_s * S)
        made.history.append(
            Done(
                asked, end_ns - int(took_s * S), end_ns, read_code(code, "ok"), 1, "scheduled", None
            )
        )
    return made


def shown(state: TrialState, now_ns: int) -> list[str]:
    """Return the lines."""
    return [str(line) for line in trial_state(state, "1 of 5", now_ns)]


def test_every_phase_says_what_is_done_and_how_long() -> None:
    """Steady, broken, healed, asking again: nobody has to read a log to know."""
    now_ns = time.monotonic_ns()
    state = TrialState(SPEC, [FAULT], load(now_ns=now_ns))
    begun_ns = state.since_ns
    head, phase, *_ = shown(state, begun_ns + 1 * S)
    left_s = (state.ends_ns - begun_ns) / S - 1
    assert head == f"{SPEC.id} (1 of 5)  1 fault, about {left_s:.0f} s left"
    assert phase == "steady load since 1 s"
    state.enter("fault", FAULT, 8_000_000)
    phase = shown(state, state.since_ns + 3 * S)[1]
    assert phase == f"✗ {FAULT.id} broken since 3 s, up to 5 s more: {told(FAULT)}"
    state.enter("recovery", FAULT, 4_000_000)
    phase = shown(state, state.since_ns + 1 * S)[1]
    assert phase == f"{FAULT.id} healed 1 s ago, watched for 3 s more"
    state.enter("settling")
    assert shown(state, state.since_ns)[1] == "asking again what is unknown since 0 s"
    assert "left" not in shown(TrialState(SPEC, [], state.load), now_ns)[0]


def test_callers_of_the_last_seconds_alone() -> None:
    """Codes by number without their details, waits, and who waits now."""
    now_ns = time.monotonic_ns()
    made = load(
        *[(0.01, 1.0, "200/ALLOW")] * 8,
        (2.0, 0.5, "200/failsafe:ALLOW:gate"),
        (2.0, 0.6, "200/failsafe:DENY:gate"),
        (9.0, 6.0, "timeout"),
        now_ns=now_ns,
    )
    state = TrialState(SPEC, [], made)
    assert shown(state, now_ns)[2:] == [
        "callers get 2/s: 200/ALLOW x 8, 200/failsafe x 2",
        "p50 10 ms  p95 2,000 ms in the last 5 s; nobody waits",
    ]
    made._under_way["one"] = now_ns - 3 * S
    made._under_way["other"] = now_ns - 1 * S
    assert shown(state, now_ns)[-1].endswith("; 2 wait, the longest for 3,000 ms")
    assert shown(TrialState(SPEC, [], load(now_ns=now_ns)), now_ns)[2:] == [
        "callers get 0/s: no answer",
        "nobody waits",
    ]
