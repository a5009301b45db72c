"""Failures of a file before anything is broken: what would be, by whom, and what undoes it."""

from collections.abc import Iterator, Mapping
from typing import Any

from stressproof.config.environment import names_in
from stressproof.config.failures.parameters import written
from stressproof.config.failures.plan import FailurePlan
from stressproof.config.failures.scenario_sense import expected_us
from stressproof.config.failures.testbed_plan import TestbedPlan
from stressproof.errors import UsageError
from stressproof.failures.checks import CHECKS
from stressproof.failures.fault_kinds import FAULT_KINDS, demanded_witnesses, told
from stressproof.failures.loopback import require_loopback
from stressproof.failures.spec import CheckSpec, FaultSpec, ScenarioSpec
from stressproof.faults.permissions import needs_permission
from stressproof.report.check_groups import check_groups
from stressproof.workload.rates import duration_text
from stressproof.workload.redaction import masked_text
from stressproof.workload.target import origin_of
from stressproof.workload.templates import placeholders


def failure_lines(plan: FailurePlan) -> Iterator[str]:
    """Yield what would stand, what would be broken, and what would be checked."""
    yield from _testbed_lines(plan.testbed)
    for scenario in plan.scenarios:
        yield from _scenario_lines(scenario, plan.testbed)


def failure_records(plan: FailurePlan) -> list[dict[str, Any]]:
    """Return each scenario as JSON: its faults with what each is and what undoes it, its checks."""
    return [
        {
            "id": one.id,
            "title": one.title,
            "question": one.question,
            "rate_per_s": one.rate_per_s,
            "expected_us": expected_us(one),
            "faults": [_fault_record(fault) for fault in one.faults],
            "checks": [_check_record(check) for check in one.checks],
            "invariants": [{"id": each.id, "title": each.title} for each in one.invariants],
            "off": dict(one.off),
        }
        for one in plan.scenarios
    ]


def _testbed_lines(testbed: TestbedPlan) -> Iterator[str]:
    if testbed.attach:
        yield f"testbed that runs already, at {testbed.url}: nothing is started, nothing stopped"
    else:
        yield f"testbed, started for each trial: the load talks to {testbed.target}"
    for name, postgres in testbed.postgres.items():
        how = "runs already, marked by its owner" if postgres.dsn else "embedded"
        files = f", loads {', '.join(postgres.load)}" if postgres.load else ""
        disk = f", on a disk of {postgres.disk_bytes // 2**20} MiB" if postgres.disk_bytes else ""
        yield f"  postgres {name}: {how}{files}{disk}"
    for name, process in testbed.process.items():
        yield f"  process {name}: {masked_text(' '.join(process.run))}"
    for name, proxy in testbed.proxy.items():
        where = f"before {proxy.upstream}" if proxy.upstream else f"that runs at {proxy.control}"
        yield f"  proxy {name}: {proxy.protocol}, {where}"
        beyond = _host_beyond(proxy.upstream)
        if beyond:
            yield f"    only where the operator says so: --allow-upstream {beyond}"
    for name, container in testbed.container.items():
        yield f"  container {name}: {container.program} {container.name}"


def _scenario_lines(scenario: ScenarioSpec, testbed: TestbedPlan) -> Iterator[str]:
    yield f"failure {scenario.id}: {scenario.title}"
    yield f"  {scenario.question}"
    seconds = expected_us(scenario) / 1e6
    yield f"  {scenario.rate_per_s}/s throughout, {seconds:.0f} s without and with its faults"
    if scenario.prepare:
        yield f"  rows by {scenario.prepare}, before any load"
    for fault in scenario.faults:
        yield from _fault_lines(fault, testbed)
    for line in _check_lines(scenario.checks):
        yield f"  checked: {line}"
    for one in scenario.invariants:
        yield f"  checked: {one.id}, read in the end: {one.title}"
    for name, reason in scenario.off.items():
        yield f"  off: {name}, because {reason}"


def _fault_lines(fault: FaultSpec, testbed: TestbedPlan) -> Iterator[str]:
    kind = FAULT_KINDS[fault.kind]
    given = [f"{name} {_shown(value)}" for name, value in _given(fault).items()]
    given += [f"{one.request} {one.times} times" for one in fault.send]
    what = f"{fault.kind} of {fault.target}" if fault.target else fault.kind
    lasts = f"for {duration_text(fault.lasts_us)}" + (" or until spent" * kind.ends_early)
    yield f"  breaks: {fault.id}, {what}, {lasts}{''.join(f'; {one}' for one in given)}"
    yield f"    {told(fault)}."
    if needs_permission(fault, testbed.started):
        yield f"    only where the operator says so: --break {fault.id}"
    yield f"    undone: {kind.undo}"
    witnesses = ", ".join(f"{one.name} (≥ {one.needs})" for one in demanded_witnesses(fault))
    yield f"    proven by: {witnesses}"
    recover = duration_text(fault.objectives.rto_service_us)
    yield f"    good again within {recover}, watched for {duration_text(fault.watch_us)}"


def _host_beyond(upstream: str) -> str:
    """Return the host beyond this machine that a proxy leads to, empty where it leads to none."""
    if not upstream or placeholders(upstream) or names_in(upstream):
        return ""
    host = origin_of(upstream if "://" in upstream else f"http://{upstream}").host
    try:
        require_loopback(host)
    except UsageError:
        return host
    return ""


def _given(fault: FaultSpec) -> dict[str, Any]:
    """Return what a file says of a fault beside its defaults, as it writes it."""
    specs = FAULT_KINDS[fault.kind].parameters
    return {
        one.name: written(one, fault.parameters[one.key])
        for one in specs
        if one.key in fault.parameters and fault.parameters[one.key] not in (one.default, ())
    }


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return masked_text(" ".join(value))
    if isinstance(value, Mapping):
        return masked_text(" ".join(f"{name}={item}" for name, item in value.items()))
    return masked_text(str(value).lower() if isinstance(value, bool) else str(value))


def _check_lines(checks: tuple[CheckSpec, ...]) -> Iterator[str]:
    """Yield each check as a file would write it, alike ones together."""
    for group in check_groups(checks):
        kind = CHECKS[group.name]
        asked = dict(group.asked)
        own = "" if kind.value is None else f" {_shown(written(kind.value, asked[kind.value.key]))}"
        each = " each" if len(group.kinds) > 1 else ""
        kinds = f"{each} of {', '.join(' '.join(group.kinds).split())}" if group.kinds else ""
        about = f" under {', '.join(group.faults)}" if group.faults else ""
        given = "".join(
            f"; {one.name} {_shown(written(one, asked[one.key]))}"
            for one in kind.parameters
            if one.key in asked
        )
        yield f"{group.name}{own}{kinds}{about}{given}"


def _fault_record(fault: FaultSpec) -> dict[str, Any]:
    kind = FAULT_KINDS[fault.kind]
    return {
        "id": fault.id,
        "kind": fault.kind,
        "target": fault.target,
        "lasts_us": fault.lasts_us,
        "watched_us": fault.watch_us,
        "parameters": fault.parameters,
        "says": told(fault),
        "undo": kind.undo,
        "witnesses": [{"name": one.name, "needs": one.needs} for one in demanded_witnesses(fault)],
    }


def _check_record(check: CheckSpec) -> dict[str, Any]:
    return {
        "check": check.id,
        "fault": check.about,
        "parameters": check.parameters,
        "baseline": check.baseline,
    }
