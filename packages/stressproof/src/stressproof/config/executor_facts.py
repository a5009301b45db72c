"""How much is asked, from words that a command line or a file has: the executor that they mean."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import ceil
from typing import Any

from stressproof.errors import UsageError
from stressproof.workload.executors import EXECUTORS, Executor, Stage, make_executor
from stressproof.workload.rates import US_PER_S, with_time_unit

DURATION_US = 30 * US_PER_S
_USERS = 10
_MOST_USERS_UNASKED = 1_000
_QUANTITIES = frozenset({"users", "rate", "stages", "iterations"})
_REST = {"max_vus": "max_users", "ramp_us": "ramp_us", "duration_us": "duration_us"}
"""Words that say no more than how such a quantity is asked, with what an executor calls it."""


def executor_from(
    options: Mapping[str, Any], spelt: Callable[[str], str], *, ramp_us: int
) -> Executor:
    """Return the executor that some words describe.

    Args:
        options: ``executor``, ``users``, ``rate`` (a second), ``stages`` (pairs of target and
            time), ``iterations``, ``max_vus``, ``duration_us`` and ``ramp_us``; None where nobody
            says.
        spelt: How a word is spelt where it is written, for messages: ``--max-vus``.
        ramp_us: Where nobody says.

    Raises:
        UsageError: One is missing, or means nothing to the executor.
    """
    name = options["executor"] or _meant(options)
    if name not in EXECUTORS:
        raise UsageError(
            f"there is no executor {name!r}", hint=f"There are {', '.join(EXECUTORS)}."
        )
    _check(name, options, spelt)
    takes = EXECUTORS[name].__struct_fields__
    facts: dict[str, Any] = {
        "users": _given(options, "users", _USERS),
        "iterations": options["iterations"],
        "duration_us": _given(options, "duration_us", DURATION_US),
        "ramp_us": _given(options, "ramp_us", ramp_us),
    }
    targets: list[Fraction] = [target for target, _ in options["stages"]]
    if "rate" in takes:
        facts["max_users"] = _most_users(options, max(options["rate"], *targets, Fraction(0)))
        rates, facts["time_unit_us"] = with_time_unit([options["rate"], *targets])
        facts["rate"], *reached = rates
    else:
        reached = _whole(targets, spelt)
    return make_executor(name, facts | {"stages": _stages(reached, options)})


def changed(written: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the words of a load of which some are said anew: the rest stays as it is written.

    Who says how much is asked says it instead of what is written, and of how long it lasts, how it
    begins and how many there are at most that stays which the new executor knows.

    Args:
        written: As `executor_from` has them.
        said: Likewise, and only what is said.
    """
    if not _QUANTITIES.intersection(said):
        return {**written, **said}
    options = {**dict.fromkeys(written), "stages": [], **said}
    takes = EXECUTORS[options["executor"] or _meant(options)].__struct_fields__
    kept = {word: written[word] for word, fact in _REST.items() if fact in takes}
    return {**options, **kept, **said}


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
    """Return stages that reach some targets in the times that are named."""
    times = [duration_us for _, duration_us in options["stages"]]
    return tuple(
        Stage(target=target, duration_us=round(duration_us))
        for target, duration_us in zip(targets, times, strict=True)
    )


def _whole(users: Sequence[Fraction], spelt: Callable[[str], str]) -> list[int]:
    for one in users:
        if one.denominator != 1:
            raise UsageError(
                f"a stage's target is {float(one):g} users",
                hint=f"Name whole users, as 100:30s, or begin with {spelt('rate')} for arrivals.",
            )
    return [int(one) for one in users]


def _check(executor: str, options: Mapping[str, Any], spelt: Callable[[str], str]) -> None:
    """Refuse words that an executor needs and lacks, or has and cannot use."""
    takes = EXECUTORS[executor].__struct_fields__
    needed = {"rate": "rate", "stages": "stages", "iterations": "iterations"}
    usable = needed | _REST
    named = f"{spelt('executor')} {executor}"
    if "rate" in takes and options["max_vus"] and options["users"]:
        raise UsageError(
            f"{spelt('users')} and {spelt('max_vus')} both say how many users an arrival rate has",
            hint="Leave one of them out.",
        )
    for word, fact in usable.items():
        wanted, given = fact in takes, bool(options[word]) or options[word] == 0
        if word != "stages" and options[word] is None:
            given = False
        if given and not wanted:
            raise UsageError(
                f"{spelt(word)} means nothing to {named}"
                + (", whose stages say how long it lasts" if word == "duration_us" else ""),
                hint="Leave it out, or choose the executor that it belongs to.",
            )
        if wanted and word in needed and not given:
            raise UsageError(f"{named} needs {spelt(word)}", hint=f"Add {spelt(word)}.")
