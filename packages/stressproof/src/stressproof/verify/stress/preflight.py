"""Before the load: every endpoint worked."""

from collections.abc import Collection

from stressproof.evidence.endpoint_names import short
from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import StressCase
from stressproof.verify.stress.declared import DeclaredCheck
from stressproof.workload.statuses import in_words

_OK = range(200, 300)
_LEAST_MS = 0.02
"""No answer over TCP, on one machine and to a program in Python, takes less."""
_REMEDY = "Repair what the preflight names, then capture again without --skip-preflight."


@rule(
    "stress.preflight",
    clause="protocol 2",
    title="Preflight was enabled and passed without a failure",
    remedy=_REMEDY,
)
def preflight(case: StressCase, judgement: Judgement) -> None:
    """``enabled`` and ``passed`` are true and ``failures`` is empty."""
    seen = case.declared.preflight
    if seen is None:
        judgement.skip("preflight is not there")
        return
    judgement.check(seen.enabled is True, "preflight.enabled", seen.enabled, True)  # noqa: FBT003
    judgement.check(seen.passed is True, "preflight.passed", seen.passed, True)  # noqa: FBT003
    failed = [failure.endpoint for failure in seen.failures or []]
    judgement.check(seen.failures == [], "preflight.failures", failed, prose("an empty array"))


@rule(
    "stress.preflight-checks",
    clause="protocol 2; evidence.md, Workload",
    title="The preflight reached every endpoint of the load, each with a success at last",
    remedy=_REMEDY,
)
def preflight_checks(case: StressCase, judgement: Judgement) -> None:
    """Each endpoint's last check is ok with a status it expects (2xx where none is told).

    No check contradicts itself, and no answer took no time. What a flow asks is not checked apart:
    the flow is, as a whole, and may end with any status.
    """
    seen = case.declared.preflight
    checks = None if seen is None else seen.checks
    if seen is None or checks is None:
        judgement.skip("the artifact lists no preflight checks")
        return
    endpoints = case.workload
    expected = _expected(endpoints)
    found_by_flows = {one.name for one in endpoints if one.kind != "request"}
    found_by_flows -= {one.name for one in endpoints if one.kind == "request"}
    last: dict[str, tuple[str, DeclaredCheck]] = {}
    for place, check in enumerate(checks):
        where = f"preflight.checks[{place}]"
        if check.endpoint is None:
            judgement.fail(f"{where}.endpoint", None, prose("the endpoint that was asked"))
            continue
        name = short(check.endpoint)
        if check.ok is True:
            _a_success(check, where, expected.get(name, _OK), judgement)
        if case.is_full and check.status_code is not None and check.latency_ms is not None:
            took = check.latency_ms
            least = prose(f"at least {_LEAST_MS:g}, for an answer")
            judgement.check(took >= _LEAST_MS, f"{where}.latency_ms", took, least)
        _in_turn(check, where, last.get(name), seen.attempts_per_endpoint, judgement)
        last[name] = (where, check)
    steps = {one.name for one in case.workload if one.kind == "step"}
    steps -= {one.name for one in case.workload if one.kind != "step"}
    for endpoint in case.declared.endpoints or []:
        if short(endpoint) not in last and endpoint in found_by_flows:
            continue  # a flow is asked under load alone
        if short(endpoint) not in last:
            if endpoint in steps:
                continue
            judgement.fail("preflight.checks", prose("no check of it"), endpoint)
            continue
        where, check = last[short(endpoint)]
        judgement.check(check.ok is True, f"{where}.ok", check.ok, True)  # noqa: FBT003
    known = set(map(short, case.declared.endpoints or ()))
    unexpected = [endpoint for endpoint in last if endpoint not in known]
    judgement.check(not unexpected, "preflight.checks", unexpected, prose("only the load's own"))


def _expected(endpoints: list[WorkloadEndpoint]) -> dict[str, Collection[int] | None]:
    """Return the statuses that each endpoint expects, by its short name; None of a flow."""
    found: dict[str, Collection[int] | None] = {}
    for one in endpoints:
        if one.kind == "flow":
            found[short(one.name)] = None
        elif one.kind == "request":
            known = found.get(short(one.name)) or ()
            found[short(one.name)] = {*known, *one.expected_statuses}
    return found


def _a_success(
    check: DeclaredCheck, where: str, expected: Collection[int] | None, judgement: Judgement
) -> None:
    """Judge what is called ok: an expected status, and no error beside it."""
    if check.error:
        judgement.fail(f"{where}.error", check.error, prose("no error beside ok"))
    if expected is not None:
        seen = check.status_code
        wanted = prose(f"{in_words(sorted(expected))} beside ok")
        judgement.check(seen in expected, f"{where}.status_code", seen, wanted)


def _in_turn(
    check: DeclaredCheck,
    where: str,
    before: tuple[str, DeclaredCheck] | None,
    attempts: int | None,
    judgement: Judgement,
) -> None:
    """Judge an attempt by the one before it."""
    number = check.attempt
    if number is not None:
        least = 1 if before is None else (before[1].attempt or 0) + 1
        most = number if attempts is None else attempts
        judgement.check(
            least <= number <= most, f"{where}.attempt", number, prose(f"{least} to {most}")
        )
    if before is not None:
        judgement.check(
            before[1].ok is not True, where, prose("an attempt after a success"), prose("none")
        )


RULES = (preflight, preflight_checks)
