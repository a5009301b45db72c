"""How much a capture asks, from its flags: the executor that they describe."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil
from typing import Any

from stressproof.errors import UsageError
from stressproof.workload.executors import EXECUTORS, Executor, Stage, make_executor
from stressproof.workload.rates import US_PER_S, with_time_unit

_DURATION_US = 30 * US_PER_S
_RAMP_US = 5 * US_PER_S
_USERS = 10
_MOST_USERS_UNASKED = 1_000


def executor_from(options: Mapping[str, Any]) -> Executor:
    """Return the executor that the flags describe.

    Raises:
        UsageError: A flag is missing, or means nothing to the executor.
    """
    name = options["executor"] or _meant(options)
    _check_flags(name, options)
    takes = EXECUTORS[name].__struct_fields__
    facts: dict[str, Any] = {
        "users": _given(options, "users", _USERS),
        "iterations": options["iterations"],
        "duration_us": _given(options, "duration_us", _DURATION_US),
        "ramp_us": _given(options, "ramp_us", _RAMP_US),
    }
    targets: list[Fraction] = [target for target, _ in options["stages"]]
    if "rate" in takes:
        facts["max_users"] = _most_users(options, max(options["rate"], *targets, Fraction(0)))
        rates, facts["time_unit_us"] = with_time_unit([options["rate"], *targets])
        facts["rate"], *reached = rates
    else:
        reached = _whole(targets)
    return make_executor(name, facts | {"stages": _stages(reached, options)})


def _meant(options: Mapping[str, Any]) -> str:
    """Return the executor that is meant where none is named."""
    shape = "ramping" if options["stages"] else "constant"
    if options["rate"] is not None:
        return f"{shape}-arrival-rate"
    if options["iterations"] is not None:
        return "shared-iterations"
    return f"{shape}-vus"


def _given(options: Mapping[str, Any], name: str, otherwise: int) -> int:
    value: int | None = options[name]
    return otherwise if value is None else value


def _most_users(options: Mapping[str, Any], highest: Fraction) -> int:
    """Return how many users an arrival rate has where nobody says: for answers of one second."""
    asked: int | None = options["max_vus"] or options["users"]
    return asked or min(max(_USERS, ceil(highest)), _MOST_USERS_UNASKED)


def _stages(targets: Sequence[int], options: Mapping[str, Any]) -> tuple[Stage, ...]:
    """Return stages that reach some targets in the times that the flags name."""
    times = [duration_us for _, duration_us in options["stages"]]
    return tuple(
        Stage(target=target, duration_us=round(duration_us))
        for target, duration_us in zip(targets, times, strict=True)
    )


def _whole(users: Sequence[Fraction]) -> list[int]:
    for one in users:
        if one.denominator != 1:
            raise UsageError(
                f"a stage's target is {float(one):g} users",
                hint="Name whole users, as 100:30s, or begin with --rate for arrivals.",
            )
    return [int(one) for one in users]


def _check_flags(executor: str, options: Mapping[str, Any]) -> None:
    """Refuse flags that an executor needs and lacks, or has and cannot use."""
    takes = EXECUTORS[executor].__struct_fields__
    needed = {"--rate": "rate", "--stage": "stages", "--iterations": "iterations"}
    usable = needed | {"--max-vus": "max_users", "--ramp": "ramp_us", "--duration": "duration_us"}
    if "rate" in takes and options["max_vus"] and options["users"]:
        raise UsageError(
            "--users and --max-vus both say how many users an arrival rate has",
            hint="Leave one of them out.",
        )
    given = {
        "--rate": options["rate"] is not None,
        "--stage": bool(options["stages"]),
        "--iterations": options["iterations"] is not None,
        "--max-vus": options["max_vus"] is not None,
        "--ramp": options["ramp_us"] is not None,
        "--duration": options["duration_us"] is not None,
    }
    for flag, fact in usable.items():
        wanted = fact in takes
        if given[flag] and not wanted:
            raise UsageError(
                f"{flag} means nothing to --executor {executor}"
                + (", whose stages say how long it lasts" if flag == "--duration" else ""),
                hint="Leave it out, or choose the executor that it belongs to.",
            )
        if wanted and flag in needed and not given[flag]:
            raise UsageError(f"--executor {executor} needs {flag}", hint=f"Add {flag}.")
