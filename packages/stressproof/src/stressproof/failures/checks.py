"""Checks over a trial's operations and effects: each a pure count of what it looked at and found.

Two kinds of statements, as in Antithesis's properties: *always* (a violation is a failure) and
*sometimes* (that it never happened means that the run proved nothing). A check that looked at
nothing is inconclusive, whatever it is about.
"""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

from stressproof.evidence.failure import Conclusion, InjectedFault, Parameter
from stressproof.failures.history import Code, Operation, began_in, nearest_rank

SOMETIMES = "sometimes."
_SERVER_ERROR = 500


class CheckInput(Struct, frozen=True):
    """What a check looks at.

    Attributes:
        operations: All of the trial, in order of their start.
        effects: Key to how often its effect was found.
        fault: The one that the check is about, None for the whole trial.
        parameters: Of the check.
    """

    operations: Sequence[Operation]
    effects: Mapping[int, int]
    fault: InjectedFault | None
    parameters: Mapping[str, Parameter]

    def number(self, name: str, default: int = 0) -> int:
        """Return an integer parameter."""
        value = self.parameters.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"parameter {name} is {value!r}, expected an integer")  # noqa: TRY004
        return value

    def text(self, name: str, default: str = "*") -> str:
        """Return a text parameter."""
        value = self.parameters.get(name, default)
        if not isinstance(value, str):
            raise ValueError(f"parameter {name} is {value!r}, expected a text")  # noqa: TRY004
        return value

    def of_kind(self) -> list[Operation]:
        """Return the operations of the kinds asked for (patterns, separated by blanks)."""
        patterns = self.text("kind").split()
        return [one for one in self.operations if _matches(one.kind, patterns)]

    def during(self) -> list[Operation]:
        """Return those of the kinds asked for that began under the fault.

        ``settle_us`` leaves out the first moments, in which both answers are right.
        """
        if self.fault is None:
            return self.of_kind()
        begin = self.fault.effective_us + self.number("settle_us")
        return list(began_in(self.of_kind(), begin, self.fault.healed_us))


Found = tuple[int, int]
"""How many were looked at, and how many of them were wrong."""


class OperationCheck(Struct, frozen=True):
    """One check over operations.

    Attributes:
        id: As specs and artifacts name it.
        title: What holds where it passes, as a sentence without its full stop; it is written into
            artifacts, so changing it makes older ones read as edited.
        count: Looks.
    """

    id: str
    title: str
    count: Callable[[CheckInput], Found]


def check(name: str, title: str) -> Callable[[Callable[[CheckInput], Found]], OperationCheck]:
    """Make a check of the function that counts."""
    return lambda count: OperationCheck(name, title, count)


def _matches(value: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)


def _endings(given: CheckInput) -> dict[int, set[str]]:
    """Return, for each effect asked for, how the attempts at it ended."""
    endings: dict[int, set[str]] = defaultdict(set)
    for one in given.of_kind():
        if one.key:
            endings[one.key].add(one.code.ending)
    return endings


@check("acknowledged_durable", "Every effect that was acknowledged is in the database")
def _acknowledged_durable(given: CheckInput) -> Found:
    keys = [key for key, endings in _endings(given).items() if "ok" in endings]
    return len(keys), sum(given.effects.get(key, 0) == 0 for key in keys)


@check("no_double_effect", "No effect is there twice, however often it was asked for")
def _no_double_effect(given: CheckInput) -> Found:
    keys = _endings(given)
    return len(keys), sum(given.effects.get(key, 0) > 1 for key in keys)


@check("failed_absent", "No effect is there of which every attempt surely failed")
def _failed_absent(given: CheckInput) -> Found:
    keys = _endings(given)
    failed = [key for key, endings in keys.items() if endings == {"fail"}]
    return len(keys), sum(given.effects.get(key, 0) > 0 for key in failed)


@check(
    "every_key_read",
    "The final read looked for every effect that was asked for, and for no other",
)
def _every_key_read(given: CheckInput) -> Found:
    asked = {one.key for one in given.operations if one.key}
    return len(asked), len(asked ^ set(given.effects))


@check("answered_in_time", "Nobody waits longer than within_us, whatever is broken")
def _answered_in_time(given: CheckInput) -> Found:
    within = given.number("within_us")
    seen = given.during()
    return len(seen), sum(one.duration_us > within for one in seen)


@check("only_codes", "Operations that began under the fault ended with one of codes (patterns)")
def _only_codes(given: CheckInput) -> Found:
    allowed = given.text("codes", "").split()
    seen = given.during()
    return len(seen), sum(not _matches(one.code.name, allowed) for one in seen)


@check("undisturbed", "Every operation was healthy")
def _undisturbed(given: CheckInput) -> Found:
    seen = given.during()
    return len(seen), sum(not one.code.healthy for one in seen)


@check(
    "quantile_kept",
    "Those not hit wait no longer than before: a quantile, times a factor, or a floor if higher",
)
def _quantile_kept(given: CheckInput) -> Found:
    """The measure is what began before the first fault of the trial (``until_us``)."""
    ppm = given.number("quantile_ppm", 950_000)
    before = [one for one in given.of_kind() if one.start_us < given.number("until_us")]
    seen = given.during()
    if not before or not seen:
        return 0, 0
    bound = max(
        given.number("floor_us"),
        _quantile(before, ppm) * given.number("factor_ppm", 1_000_000) // 1_000_000,
    )
    return len(seen), int(_quantile(seen, ppm) > bound)


def _quantile(operations: Sequence[Operation], ppm: int) -> int:
    return nearest_rank(sorted(one.duration_us for one in operations), ppm)


@check("recovered", "Service was good again within its objective after healing")
def _recovered(given: CheckInput) -> Found:
    if given.fault is None:
        return 0, 0
    rto = given.fault.recovery.rto_service_us
    return 1, int(rto is None or rto > given.fault.objectives.rto_service_us)


@check(
    "healthy_after_recovery",
    "Nothing unhealthy, and no 5xx, begins once the recovery objective has passed",
)
def _healthy_after_recovery(given: CheckInput) -> Found:
    if given.fault is None:
        return 0, 0
    begin = given.fault.healed_us + given.fault.objectives.rto_service_us
    seen = began_in(given.of_kind(), begin, given.fault.watched_us)
    wrong = sum(not one.code.healthy or one.code.status >= _SERVER_ERROR for one in seen)
    return len(seen), wrong


@check(
    "exactly_one_winner",
    "Of all attempts at one thing exactly one ends with winner; unknown ones may hide it",
)
def _exactly_one_winner(given: CheckInput) -> Found:
    """Attempts at the same effect are one contest; with ``together`` all of the kind are.

    Fewer than ``attempts`` are no contest, and are not looked at.
    """
    patterns = given.text("winner", "200").split()
    together = given.parameters.get("together") is True
    endings: dict[int, list[Code]] = {}
    for one in given.of_kind():
        if one.key:
            endings.setdefault(0 if together else one.key, []).append(one.code)
    contests = [codes for codes in endings.values() if len(codes) >= given.number("attempts", 2)]
    wrong = 0
    for codes in contests:
        wins = sum(_matches(code.name, patterns) for code in codes)
        hidden = any(code.ending == "unknown" for code in codes)
        wrong += wins > 1 or (wins == 0 and not hidden)
    return len(contests), wrong


@check("never_acknowledged", "None of these is ever answered with success")
def _never_acknowledged(given: CheckInput) -> Found:
    seen = given.during()
    return len(seen), sum(one.code.ending == "ok" for one in seen)


@check("limit_kept", "No window of window_us holds more than limit acknowledged operations")
def _limit_kept(given: CheckInput) -> Found:
    """Where it is about a fault, only what began before the end of its watch is looked at.

    Admission happens between start and end, so only operations wholly inside a window count: what
    is found is over the limit for certain.
    """
    window, limit = given.number("window_us", 60_000_000), given.number("limit")
    seen: Sequence[Operation] = given.of_kind()
    if given.fault is not None:
        seen = began_in(seen, 0, given.fault.watched_us)
    accepted = [one for one in seen if one.code.ending == "ok"]
    ends: list[int] = []
    most = 0
    # From the last start to the first, so that the ends at hand are those of what began in time.
    for one in sorted(accepted, key=lambda one: one.start_us, reverse=True):
        insort(ends, one.end_us)
        most = max(most, bisect_right(ends, one.start_us + window))
    return len(accepted), max(0, most - limit)


@check("share_kept", "At least least_ppm of these are acknowledged")
def _share_kept(given: CheckInput) -> Found:
    seen = given.during()
    accepted = sum(one.code.ending == "ok" for one in seen)
    return len(seen), int(accepted * 1_000_000 < given.number("least_ppm") * len(seen))


@check(
    "admitted_again",
    "Whoever was over the limit is served again once its window has passed (after_us)",
)
def _admitted_again(given: CheckInput) -> Found:
    if given.fault is None:
        return 0, 0
    begin = given.fault.healed_us + given.number("after_us")
    seen = began_in(given.of_kind(), begin, given.fault.watched_us)
    return len(seen), sum(one.code.ending != "ok" for one in seen)


@check("sometimes.happened", "At least needs operations under the fault ended with one of codes")
def _happened(given: CheckInput) -> Found:
    patterns = given.text("codes").split()
    seen = given.during()
    hits = sum(_matches(one.code.name, patterns) for one in seen)
    return len(seen), int(hits < given.number("needs", 1))


@check("sometimes.disturbed", "The fault showed in what callers saw")
def _was_disturbed(given: CheckInput) -> Found:
    if given.fault is None:
        return 0, 0
    return 1, int(given.fault.recovery.detection_us is None)


@check(
    "sometimes.unknown", "Some effect's attempt ended unknown, so that reconciling it was tested"
)
def _was_unknown(given: CheckInput) -> Found:
    keys = _endings(given)
    return len(keys), int(not any("unknown" in endings for endings in keys.values()))


@check("sometimes.retried", "Some effect was asked for again after an unknown ending")
def _was_retried(given: CheckInput) -> Found:
    keys = [one for one in given.of_kind() if one.key]
    return len(keys), int(not any(one.attempt > 1 for one in keys))


CHECKS: Final = {
    each.id: each
    for each in (
        _acknowledged_durable,
        _no_double_effect,
        _failed_absent,
        _every_key_read,
        _answered_in_time,
        _only_codes,
        _undisturbed,
        _quantile_kept,
        _recovered,
        _healthy_after_recovery,
        _exactly_one_winner,
        _never_acknowledged,
        _limit_kept,
        _share_kept,
        _admitted_again,
        _happened,
        _was_disturbed,
        _was_unknown,
        _was_retried,
    )
}
"""By id."""


def outcome(check_id: str, compared: int, violations: int) -> Conclusion:
    """Return what follows from a count."""
    if compared == 0:
        return "inconclusive"
    if violations:
        return "inconclusive" if check_id.startswith(SOMETIMES) else "fail"
    return "pass"
