"""A profile against the floors of its own gate: one below them could never be released."""

from collections.abc import Iterator

from stressproof.config.amounts import duration_us
from stressproof.config.mistakes import Mistake
from stressproof.config.plan_file import PlanFile
from stressproof.config.plans import PlanReader
from stressproof.config.schema import GateTable
from stressproof.workload.rates import US_PER_S
from stressproof.workload.scenarios import Scenario


def below_gate(plan: PlanFile, gate: GateTable) -> Iterator[Mistake]:
    """Yield each floor of a gate that the profile it is for does not reach; both can be meant."""
    name = gate.profile or next(iter(plan.profiles), "")
    if not name:
        return
    load = plan.profiles[name]
    scenarios = PlanReader(plan, None).scenarios(load)
    duration_s = window_us(scenarios) / US_PER_S
    floor_s = (duration_us(gate.duration) or 0) / US_PER_S
    users = closed_users(scenarios) or sum(one.executor.max_users for one in scenarios)
    for key, floor, own in (
        ("rounds", gate.rounds or 0, load.rounds),
        ("duration", floor_s, duration_s),
        ("users", gate.users or 0, users),
    ):
        if own < floor:
            yield Mistake(
                ("gate", key),
                f"the profile {name!r} has {own:g} {key}, and its gate asks for {floor:g}",
                f"Raise it in [profile.{name}], or ask for less.",
            )


def window_us(scenarios: tuple[Scenario, ...]) -> int:
    """Return how long a round is: from its first scenario to the end of its last."""
    return max(one.start_us + one.executor.duration_us for one in scenarios)


def closed_users(scenarios: tuple[Scenario, ...]) -> int:
    """Return the most users of the closed executors, whose number is what they are asked for."""
    return sum(one.executor.max_users for one in scenarios if one.executor.closed_loop)
