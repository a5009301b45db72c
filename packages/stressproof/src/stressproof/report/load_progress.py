"""A round of a load while it runs: what was asked, what is reached, what goes wrong."""

from collections.abc import Mapping

from stressproof.capture.plan import Plan
from stressproof.load.result import Tick
from stressproof.outcome import Outcome
from stressproof.quantities import count, count_of, latency, listed, rate
from stressproof.report.lines import Line
from stressproof.workload.executors import rate_at, users_at

_US_PER_S = 1_000_000


def round_state(run_index: int, tick: Tick, plan: Plan) -> list[Line]:
    """Return how a round stands, a thought a line."""
    at_us = round((tick.elapsed_s - plan.ramp_seconds) * _US_PER_S)
    head = f"round {run_index}/{plan.rounds}"
    if tick.ramping:
        left_s = plan.ramp_seconds - tick.elapsed_s
        ramp = f"{head}  ramp, {left_s:.0f} s left; nothing of it is measured"
        return [Line(ramp), Line(_asked(plan, at_us))]
    left_s = max(plan.duration_seconds - at_us / _US_PER_S, 0)
    return [
        Line(f"{head}  {left_s:.0f} s left"),
        Line(f"{rate(tick.rps)}{_beside(plan, at_us)}, {_users(plan, at_us)}"),
        Line(
            f"p50 {latency(tick.p50_us)}  p95 {latency(tick.p95_us)}  p99 {latency(tick.p99_us)}"
            "  in the last second"
        ),
        _failed(tick.failures, tick.requests),
    ]


def _asked(plan: Plan, at_us: int) -> str:
    asked = _rate(plan, at_us)
    users = _users(plan, at_us)
    return users if asked is None else f"{rate(asked)} asked, {users}"


def _beside(plan: Plan, at_us: int) -> str:
    """Return the rate asked, beside the one that is reached."""
    asked = _rate(plan, at_us)
    if asked is None:
        return ""
    # A rate is of iterations: the requests of flows are more, and those of users come on top.
    alike = all(one.executor.rate is not None and not one.flows for one in plan.scenarios)
    return f" of {rate(asked)} asked" if alike else f", {rate(asked)} iterations asked"


def _rate(plan: Plan, at_us: int) -> float | None:
    """Return the arrivals a second that all scenarios ask for; None where none has a rate."""
    rates = [rate_at(one.executor, at_us - one.start_us) for one in plan.scenarios]
    known = [each for each in rates if each is not None]
    return sum(known) if known else None


def _users(plan: Plan, at_us: int) -> str:
    users = sum(users_at(one.executor, at_us - one.start_us) for one in plan.scenarios)
    most = "up to " if any(one.executor.rate is not None for one in plan.scenarios) else ""
    return f"{most}{count_of(users, 'user')}"


def _failed(failures: Mapping[str, int], requests: int) -> Line:
    total = sum(failures.values())
    if not total:
        return Line(f"0 of {count(requests)} failed")
    most = sorted(failures.items(), key=lambda one: (-one[1], one[0]))
    kinds = listed([f"{kind} x {count(number)}" for kind, number in most], 3)
    return Line(f"{count(total)} of {count(requests)} failed: {kinds}", Outcome.FAIL)
