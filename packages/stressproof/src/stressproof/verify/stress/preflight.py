"""Before the load: every endpoint worked."""

from stressproof.evidence.endpoint_names import short
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import StressCase
from stressproof.verify.stress.declared import DeclaredCheck

_OK = range(200, 300)
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
    """Where checks are listed, each endpoint's last one is a 2xx and none contradicts itself.

    What a flow asks is not checked apart: the flow is, as a whole.
    """
    seen = case.declared.preflight
    checks = None if seen is None else seen.checks
    if seen is None or checks is None:
        judgement.skip("the artifact lists no preflight checks")
        return
    endpoints = case.artifact.workload.endpoints if case.artifact else []
    found_by_flows = {one.name for one in endpoints if one.kind != "request"}
    found_by_flows -= {one.name for one in endpoints if one.kind == "request"}
    last: dict[str, tuple[str, DeclaredCheck]] = {}
    for place, check in enumerate(checks):
        where = f"preflight.checks[{place}]"
        if check.endpoint is None:
            judgement.fail(f"{where}.endpoint", None, prose("the endpoint that was asked"))
            continue
        name = short(check.endpoint)
        _one_check(check, where, last.get(name), seen.attempts_per_endpoint, judgement)
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


def _one_check(
    check: DeclaredCheck,
    where: str,
    before: tuple[str, DeclaredCheck] | None,
    attempts: int | None,
    judgement: Judgement,
) -> None:
    if check.ok is True and check.status_code is not None:
        judgement.check(
            check.status_code in _OK, f"{where}.status_code", check.status_code, prose("2xx")
        )
    if check.ok is True and check.error:
        judgement.fail(f"{where}.error", check.error, prose("no error beside ok"))
    if check.ok is True and check.status_code is None:
        judgement.fail(f"{where}.status_code", None, prose("2xx beside ok"))
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
