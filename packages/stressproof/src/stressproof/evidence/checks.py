"""Checks over a trial's operations and effects: each a pure count of what it looked at and found.

Two kinds of statements, as in Antithesis's properties: *always* (a violation is a failure) and
*sometimes* (that it never happened means that the run proved nothing). A check that looked at
nothing is inconclusive, whatever it is about.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from stressproof.evidence.failure import Fault, Parameter, Verdict
from stressproof.evidence.operations import Code, Operation, began_in, nearest_rank

SOMETIMES = "sometimes."
_SERVER_ERROR = 500


class Evidence(Struct, frozen=True):
    """What a check looks at.

    Attributes:
        operations: All of the trial, in order of their start.
        effects: Key to how often its effect was found.
        fault: The one that the check is about, None for the whole trial.
        parameters: Of the check.
    """

    operations: Sequence[Operation]
    effects: Mapping[int, int]
    fault: Fault | None
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


def _matches(value: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)


def _endings(evidence: Evidence) -> dict[int, set[str]]:
    """Return, for each effect asked for, how the attempts at it ended."""
    endings: dict[int, set[str]] = defaultdict(set)
    for one in evidence.of_kind():
        if one.key:
            endings[one.key].add(one.code.ending)
    return endings


def acknowledged_durable(evidence: Evidence) -> Found:
    """Every effect that was acknowledged is in the database."""
    keys = [key for key, endings in _endings(evidence).items() if "ok" in endings]
    return len(keys), sum(evidence.effects.get(key, 0) == 0 for key in keys)


def no_double_effect(evidence: Evidence) -> Found:
    """No effect is there twice, however often it was asked for."""
    keys = _endings(evidence)
    return len(keys), sum(evidence.effects.get(key, 0) > 1 for key in keys)


def failed_absent(evidence: Evidence) -> Found:
    """No effect is there of which every attempt surely failed."""
    keys = _endings(evidence)
    failed = [key for key, endings in keys.items() if endings == {"fail"}]
    return len(keys), sum(evidence.effects.get(key, 0) > 0 for key in failed)


def every_key_read(evidence: Evidence) -> Found:
    """The final read looked for every effect that was asked for, and for no other."""
    asked = {one.key for one in evidence.operations if one.key}
    return len(asked), len(asked ^ set(evidence.effects))


def answered_in_time(evidence: Evidence) -> Found:
    """Nobody waits longer than ``within_us``, whatever is broken."""
    within = evidence.number("within_us")
    seen = evidence.during()
    return len(seen), sum(one.duration_us > within for one in seen)


def only_codes(evidence: Evidence) -> Found:
    """Operations that began under the fault ended with one of ``codes`` (patterns)."""
    allowed = evidence.text("codes", "").split()
    seen = evidence.during()
    return len(seen), sum(not _matches(one.code.name, allowed) for one in seen)


def undisturbed(evidence: Evidence) -> Found:
    """Every operation was healthy."""
    seen = evidence.during()
    return len(seen), sum(not one.code.healthy for one in seen)


def quantile_kept(evidence: Evidence) -> Found:
    """Those not hit wait no longer than before: a quantile, times a factor, or a floor if higher.

    The measure is what began before the first fault of the trial (``until_us``).
    """
    ppm = evidence.number("quantile_ppm", 950_000)
    before = [one for one in evidence.of_kind() if one.start_us < evidence.number("until_us")]
    seen = evidence.during()
    if not before or not seen:
        return 0, 0
    bound = max(
        evidence.number("floor_us"),
        _quantile(before, ppm) * evidence.number("factor_ppm", 1_000_000) // 1_000_000,
    )
    return len(seen), int(_quantile(seen, ppm) > bound)


def _quantile(operations: Sequence[Operation], ppm: int) -> int:
    return nearest_rank(sorted(one.duration_us for one in operations), ppm)


def recovered(evidence: Evidence) -> Found:
    """Service was good again within its objective after healing."""
    if evidence.fault is None:
        return 0, 0
    rto = evidence.fault.recovery.rto_service_us
    return 1, int(rto is None or rto > evidence.fault.objectives.rto_service_us)


def healthy_after_recovery(evidence: Evidence) -> Found:
    """Nothing unhealthy, and no 5xx, begins once the recovery objective has passed."""
    if evidence.fault is None:
        return 0, 0
    begin = evidence.fault.healed_us + evidence.fault.objectives.rto_service_us
    seen = began_in(evidence.of_kind(), begin, evidence.fault.watched_us)
    wrong = sum(not one.code.healthy or one.code.status >= _SERVER_ERROR for one in seen)
    return len(seen), wrong


def exactly_one_winner(evidence: Evidence) -> Found:
    """Of all attempts at one thing exactly one ends with ``winner``; unknown ones may hide it.

    Attempts at the same effect are one contest; with ``together`` all of the kind are. Fewer than
    ``attempts`` are no contest, and are not looked at.
    """
    patterns = evidence.text("winner", "200").split()
    together = evidence.parameters.get("together") is True
    endings: dict[int, list[Code]] = {}
    for one in evidence.of_kind():
        if one.key:
            endings.setdefault(0 if together else one.key, []).append(one.code)
    contests = [codes for codes in endings.values() if len(codes) >= evidence.number("attempts", 2)]
    wrong = 0
    for codes in contests:
        wins = sum(_matches(code.name, patterns) for code in codes)
        hidden = any(code.ending == "unknown" for code in codes)
        wrong += wins > 1 or (wins == 0 and not hidden)
    return len(contests), wrong


def never_acknowledged(evidence: Evidence) -> Found:
    """None of these is ever answered with success."""
    seen = evidence.during()
    return len(seen), sum(one.code.ending == "ok" for one in seen)


def limit_kept(evidence: Evidence) -> Found:
    """No window of ``window_us`` holds more than ``limit`` acknowledged operations.

    Where it is about a fault, only operations that began before the end of its watch are looked at.
    Admission happens between start and end, so only operations wholly inside a window count: what
    is found is over the limit for certain.
    """
    window, limit = evidence.number("window_us", 60_000_000), evidence.number("limit")
    seen: Sequence[Operation] = evidence.of_kind()
    if evidence.fault is not None:
        seen = began_in(seen, 0, evidence.fault.watched_us)
    accepted = sorted((one for one in seen if one.code.ending == "ok"), key=lambda one: one.end_us)
    ends = [one.end_us for one in accepted]
    wrong = 0
    starts = sorted(one.start_us for one in accepted)
    for begin in starts:
        inside = sum(begin <= one.start_us for one in accepted[: _up_to(ends, begin + window)])
        wrong = max(wrong, inside - limit)
    return len(accepted), max(0, wrong)


def _up_to(ascending: Sequence[int], bound: int) -> int:
    low, high = 0, len(ascending)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if ascending[middle] <= bound else (low, middle)
    return low


def share_kept(evidence: Evidence) -> Found:
    """At least ``least_ppm`` of these are acknowledged."""
    seen = evidence.during()
    accepted = sum(one.code.ending == "ok" for one in seen)
    return len(seen), int(accepted * 1_000_000 < evidence.number("least_ppm") * len(seen))


def admitted_again(evidence: Evidence) -> Found:
    """Whoever was over the limit is served again once its window has passed (``after_us``)."""
    if evidence.fault is None:
        return 0, 0
    begin = evidence.fault.healed_us + evidence.number("after_us")
    seen = began_in(evidence.of_kind(), begin, evidence.fault.watched_us)
    return len(seen), sum(one.code.ending != "ok" for one in seen)


def happened(evidence: Evidence) -> Found:
    """At least ``needs`` operations under the fault ended with one of ``codes``."""
    patterns = evidence.text("codes").split()
    seen = evidence.during()
    hits = sum(_matches(one.code.name, patterns) for one in seen)
    return len(seen), int(hits < evidence.number("needs", 1))


def was_disturbed(evidence: Evidence) -> Found:
    """The fault showed in what callers saw."""
    if evidence.fault is None:
        return 0, 0
    return 1, int(evidence.fault.recovery.detection_us is None)


def was_unknown(evidence: Evidence) -> Found:
    """Some effect's attempt ended unknown, so that reconciling it was tested."""
    keys = _endings(evidence)
    return len(keys), int(not any("unknown" in endings for endings in keys.values()))


def was_retried(evidence: Evidence) -> Found:
    """Some effect was asked for again after an unknown ending."""
    keys = [one for one in evidence.of_kind() if one.key]
    return len(keys), int(not any(one.attempt > 1 for one in keys))


CHECKS: dict[str, Callable[[Evidence], Found]] = {
    "acknowledged_durable": acknowledged_durable,
    "no_double_effect": no_double_effect,
    "failed_absent": failed_absent,
    "every_key_read": every_key_read,
    "answered_in_time": answered_in_time,
    "only_codes": only_codes,
    "undisturbed": undisturbed,
    "quantile_kept": quantile_kept,
    "recovered": recovered,
    "healthy_after_recovery": healthy_after_recovery,
    "exactly_one_winner": exactly_one_winner,
    "never_acknowledged": never_acknowledged,
    "limit_kept": limit_kept,
    "share_kept": share_kept,
    "admitted_again": admitted_again,
    "sometimes.happened": happened,
    "sometimes.disturbed": was_disturbed,
    "sometimes.unknown": was_unknown,
    "sometimes.retried": was_retried,
}


def outcome(check_id: str, compared: int, violations: int) -> Verdict:
    """Return what follows from a count."""
    if compared == 0:
        return "inconclusive"
    if violations:
        return "inconclusive" if check_id.startswith(SOMETIMES) else "fail"
    return "pass"


def title(check_id: str) -> str:
    """Return what a check over operations says, as a sentence without its full stop."""
    text: Any = CHECKS[check_id].__doc__
    return str(text).splitlines()[0].rstrip(".").replace("``", "")
