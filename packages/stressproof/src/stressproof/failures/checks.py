"""Checks over a trial's operations and effects: each a pure count of what it looked at and found.

Two kinds of statements, as in Antithesis's properties: *always* (a violation is a failure) and
*sometimes* (that it never happened means that the run proved nothing). A check that looked at
nothing is inconclusive, whatever it is about.
"""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from stressproof.evidence.failure import Conclusion, Parameter
from stressproof.failures.check_kind import CheckInput, CheckKind, Found, ended_as, ending_as
from stressproof.failures.history import Code, Operation, began_in, nearest_rank
from stressproof.failures.parameters import ParameterSpec, S, problems
from stressproof.failures.spec import CheckSpec

RETRIED: Final = "retried"
"""Stands among codes that must happen for what was asked again after an open ending."""

DISTURBED: Final = "disturbed"
"""Likewise for a fault that showed in what callers saw."""

_SERVER_ERROR = 500


def _endings(given: CheckInput) -> dict[int, set[str]]:
    """Return, for each effect asked for, how the attempts at it ended."""
    endings: dict[int, set[str]] = defaultdict(set)
    for one in given.of_kind():
        if one.key:
            endings[one.key].add(one.code.ending)
    return endings


def _acknowledged_durable(given: CheckInput) -> Found:
    keys = [key for key, endings in _endings(given).items() if "ok" in endings]
    return Found.among(keys, [key for key in keys if given.effects.get(key, 0) == 0])


def _no_double_effect(given: CheckInput) -> Found:
    keys = _endings(given)
    return Found.among(keys, [key for key in keys if given.effects.get(key, 0) > 1])


def _failed_absent(given: CheckInput) -> Found:
    keys = _endings(given)
    failed = [key for key, endings in keys.items() if endings == {"fail"}]
    return Found.among(keys, [key for key in failed if given.effects.get(key, 0) > 0])


def _every_key_read(given: CheckInput) -> Found:
    asked = {one.key for one in given.operations if one.key}
    return Found.among(asked, sorted(asked ^ set(given.effects)))


def _answered_in(given: CheckInput) -> Found:
    within = given.number("within_us")
    seen = given.during()
    return Found.among(seen, [one for one in seen if one.duration_us > within])


def _only(given: CheckInput) -> Found:
    allowed = given.patterns("codes", ())
    seen = given.during()
    right = {one.code for one in ending_as(seen, allowed)}
    return Found.among(seen, [one for one in seen if one.code not in right])


def _never(given: CheckInput) -> Found:
    forbidden = given.patterns("codes", ())
    seen = given.during()
    return Found.among(seen, ending_as(seen, forbidden))


def _undisturbed(given: CheckInput) -> Found:
    seen = given.during()
    return Found.among(seen, [one for one in seen if not one.code.healthy])


def _no_slower(given: CheckInput) -> Found:
    ppm = given.number("p_ppm", 950_000)
    before = [one for one in given.of_kind() if one.start_us < given.steady_us]
    seen = given.during()
    if not before or not seen:
        return Found(0, 0)
    bound = max(
        given.number("floor_us"),
        _quantile(before, ppm) * given.number("factor_ppm", 1_000_000) // 1_000_000,
    )
    return Found(len(seen), int(_quantile(seen, ppm) > bound))


def _quantile(operations: Sequence[Operation], ppm: int) -> int:
    return nearest_rank(sorted(one.duration_us for one in operations), ppm)


def _recovered(given: CheckInput) -> Found:
    if given.fault is None:
        return Found(0, 0)
    rto = given.fault.recovery.rto_service_us
    return Found(1, int(rto is None or rto > given.fault.objectives.rto_service_us))


def _healthy_after_recovery(given: CheckInput) -> Found:
    if given.fault is None:
        return Found(0, 0)
    begin = given.fault.healed_us + given.fault.objectives.rto_service_us
    seen = began_in(given.of_kind(), begin, given.fault.watched_us)
    wrong = [one for one in seen if not one.code.healthy or one.code.status >= _SERVER_ERROR]
    return Found.among(seen, wrong)


def _one_wins(given: CheckInput) -> Found:
    """Attempts at the same effect are one contest; with ``together`` all of the kind are.

    Fewer than ``attempts`` are no contest, and are not looked at.
    """
    winner = given.patterns("winner", ("ok",))
    together = given.parameters.get("together") is True
    endings: dict[int, list[Code]] = {}
    for one in given.of_kind():
        if one.key:
            endings.setdefault(0 if together else one.key, []).append(one.code)
    least = given.number("attempts", 2)
    contests = {key: codes for key, codes in endings.items() if len(codes) >= least}
    wrong = []
    for key, codes in contests.items():
        wins = sum(ended_as(code, winner) for code in codes)
        hidden = any(code.ending == "unknown" for code in codes)
        if wins > 1 or (wins == 0 and not hidden):
            wrong.append(key)
    return Found.among(contests, wrong)


def _at_most(given: CheckInput) -> Found:
    """Where it is about a fault, only what began before the end of its watch is looked at.

    Admission happens between start and end, so only operations wholly inside a window count: what
    is found is over the limit for certain.
    """
    window, limit = given.number("within_us", 60 * S), given.number("limit")
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
    return Found(len(accepted), max(0, most - limit))


def _share(given: CheckInput) -> Found:
    seen = given.during()
    accepted = sum(one.code.ending == "ok" for one in seen)
    return Found(len(seen), int(accepted * 1_000_000 < given.number("least_ppm") * len(seen)))


def _ok_again_after(given: CheckInput) -> Found:
    if given.fault is None:
        return Found(0, 0)
    begin = given.fault.healed_us + given.number("after_us")
    seen = began_in(given.of_kind(), begin, given.fault.watched_us)
    return Found.among(seen, [one for one in seen if one.code.ending != "ok"])


def _happens(given: CheckInput) -> Found:
    """`RETRIED` and `DISTURBED` among the codes stand for what is no code."""
    codes = given.patterns("codes", ())
    seen = given.during()
    hits = len(ending_as(seen, codes))
    if RETRIED in codes:
        hits += sum(one.attempt > 1 and one.origin != "fault" for one in seen)
    if DISTURBED in codes and given.fault is not None:
        hits += given.fault.recovery.detection_us is not None
    return Found(len(seen), int(hits < given.number("times", 1)))


def _codes(name: str, says: str, default: tuple[str, ...] | None = None) -> ParameterSpec:
    return ParameterSpec(name, "patterns", says, default, least=1)


_SETTLE: Final = ParameterSpec(
    "settle", "duration", "not looked at when the fault begins: both answers are right", 0
)

_KINDS: Final = (
    CheckKind(
        "acknowledged_durable",
        "Every effect that was acknowledged is there",
        "effects",
        _acknowledged_durable,
    ),
    CheckKind(
        "no_double_effect",
        "No effect is there twice, however often it was asked for",
        "effects",
        _no_double_effect,
    ),
    CheckKind(
        "failed_absent",
        "No effect is there of which every attempt surely failed",
        "effects",
        _failed_absent,
    ),
    CheckKind(
        "every_key_read",
        "The final read looked for every effect that was asked for, and for no other",
        "effects",
        _every_key_read,
    ),
    CheckKind(
        "answered_in",
        "Nobody waits longer than so, whatever is broken",
        "operations",
        _answered_in,
        ParameterSpec("within", "duration", "the longest that anybody waits", None, 1),
        (_SETTLE,),
    ),
    CheckKind(
        "only",
        "Operations ended with one of these codes, and with no other",
        "operations",
        _only,
        _codes("codes", "codes or classes"),
        (_SETTLE,),
    ),
    CheckKind(
        "never",
        "No operation ended with one of these codes",
        "operations",
        _never,
        _codes("codes", "codes or classes"),
        (_SETTLE,),
    ),
    CheckKind(
        "undisturbed",
        "Every operation was healthy",
        "operations",
        _undisturbed,
        parameters=(_SETTLE,),
    ),
    CheckKind(
        "no_slower",
        "Those not hit wait no longer than before: a quantile, times a factor, or a floor if"
        " higher",
        "operations",
        _no_slower,
        ParameterSpec("factor", "factor", "how many times longer at most", None, 1, 10**12),
        (
            ParameterSpec("p", "percentile", "of waiting", 950_000, 1, 1_000_000),
            ParameterSpec("floor", "duration", "what is quick enough in any case", 0),
            _SETTLE,
        ),
    ),
    CheckKind(
        "recovered",
        "Service was good again within its objective after healing",
        "fault",
        _recovered,
    ),
    CheckKind(
        "healthy_after_recovery",
        "Nothing unhealthy, and no 5xx, begins once the recovery objective has passed",
        "fault",
        _healthy_after_recovery,
    ),
    CheckKind(
        "one_wins",
        "Of all attempts at one thing exactly one ends with winner; unknown ones may hide it",
        "operations",
        _one_wins,
        _codes("winner", "codes or classes of the one"),
        (
            ParameterSpec("attempts", "count", "fewer are no contest", 2, 2, 100_000),
            ParameterSpec("together", "flag", "all of these kinds are one contest", default=False),
        ),
    ),
    CheckKind(
        "at_most",
        "No window of time holds more acknowledged operations than the limit",
        "operations",
        _at_most,
        ParameterSpec("limit", "count", "how many", None, 0, 10**9),
        (ParameterSpec("within", "duration", "the window", 60 * S, 1),),
    ),
    CheckKind(
        "share",
        "At least such a share of these is acknowledged",
        "operations",
        _share,
        ParameterSpec("least", "share", "the smallest share", None, 1, 1_000_000),
        (_SETTLE,),
    ),
    CheckKind(
        "ok_again_after",
        "Whoever was over the limit is served again once its window has passed",
        "fault",
        _ok_again_after,
        ParameterSpec("after", "duration", "how long after healing", None, 0),
    ),
    CheckKind(
        "happens",
        "Enough operations ended with one of these codes, so that something was proven",
        "operations",
        _happens,
        _codes("codes", f"codes or classes, `{RETRIED}`, or `{DISTURBED}` of a fault"),
        (ParameterSpec("times", "count", "how many", 1, 1, 100_000), _SETTLE),
        sometimes=True,
    ),
)

CHECKS: Final[Mapping[str, CheckKind]] = MappingProxyType({each.name: each for each in _KINDS})
"""By name, which is the key that a file writes."""


def check_spec(
    name: str,
    about: str = "",
    given: Mapping[str, Parameter] = MappingProxyType({}),
    *,
    baseline: bool = False,
) -> CheckSpec:
    """Return a check with every parameter that is not given at its default."""
    return CheckSpec(name, about, CHECKS[name].complete(given), baseline)


def check_problems(check: CheckSpec, faults: Iterable[str]) -> Iterator[str]:
    """Yield why a check is none of its kind, one sentence each."""
    kind = CHECKS.get(check.id)
    if kind is None:
        yield f"there is no check {check.id!r}"
        return
    if check.about and check.about not in set(faults):
        yield f"there is no fault {check.about!r}"
    if kind.about == "fault" and not check.about:
        yield f"{check.id} is about a fault, and names none"
    if kind.about == "effects" and check.about:
        yield f"{check.id} is about the whole trial, and names {check.about}"
    yield from problems(kind.all_parameters, check.parameters)


def outcome(
    compared: int, violations: int, *, at_least: int = 1, sometimes: bool = False
) -> Conclusion:
    """Return what follows from a count; from one of fewer things than asked nothing does.

    A violation is one, however little was looked at.
    """
    if violations and compared and not sometimes:
        return "fail"
    return "inconclusive" if violations or compared < max(1, at_least) else "pass"
