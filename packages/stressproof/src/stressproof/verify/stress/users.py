"""What a scenario's users are like: what the tool can be asked for, and whether anything asked."""

from stressproof.errors import UsageError
from stressproof.evidence.level import Level
from stressproof.evidence.workload import ScenarioRecord, WorkloadEndpoint
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import UNSOUND, StressCase
from stressproof.workload.limits import MAX_GRACEFUL_STOP_US, MAX_REDIRECTS

_PLAIN = {
    "cookies": False,
    "fresh": False,
    "redirects": 0,
    "setup": None,
    "start_us": 0,
    "think": None,
    "pace": None,
}
"""Of a scenario that no file asked for: flags and suites' endpoints know nothing else."""


@rule(
    "stress.users",
    clause="evidence.md, Workload",
    title="Every scenario's users are such as can be asked for",
    remedy="No capture of this tool goes beyond its own limits; capture again instead of editing.",
    level=Level.RECOMPUTED,
)
def users(case: StressCase, judgement: Judgement) -> None:
    """Redirects and time to stop lie within the tool's limits, and what needs a file has one."""
    if case.artifact is None:
        judgement.skip(UNSOUND)
        return
    for number, scenario in enumerate(case.artifact.workload.scenarios):
        items = [
            one for one in case.workload if one.scenario == scenario.name and one.kind != "step"
        ]
        _of_scenario(scenario, items, f"workload.scenarios[{number}]", judgement)


def _of_scenario(
    scenario: ScenarioRecord, items: list[WorkloadEndpoint], where: str, judgement: Judgement
) -> None:
    flows = any(one.kind == "flow" for one in items)
    # Without a flow nothing is interrupted: a request that is under way is waited for.
    for name, most in (
        ("redirects", MAX_REDIRECTS),
        ("graceful_stop_us", MAX_GRACEFUL_STOP_US if flows else 0),
    ):
        seen = getattr(scenario, name)
        judgement.check(seen <= most, f"{where}.{name}", seen, prose(f"at most {most}"))
    if not all(one.kind == "flow" or one.definition_sha256 for one in items):
        for name, plain in _PLAIN.items():
            seen = getattr(scenario, name)
            judgement.check(seen == plain, f"{where}.{name}", seen, plain)
    if scenario.setup is not None:
        runs = _names_a_function(scenario.setup)
        judgement.check(runs, f"{where}.setup", scenario.setup, prose("FILE.py:FUNCTION"))
        judgement.check(
            not scenario.fresh, f"{where}.fresh", scenario.fresh, prose("false beside a setup")
        )


def _names_a_function(run: str) -> bool:
    from stressproof.workload.flows import demand_run  # noqa: PLC0415  # 4 ms that few need

    try:
        demand_run("the setup", run)
    except UsageError:
        return False
    return True


RULES = (users,)
