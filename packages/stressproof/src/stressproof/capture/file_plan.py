"""From a profile of ``stressproof.toml`` to a plan, with what a command changes of it."""

import secrets
from collections.abc import Mapping

import msgspec

from stressproof.capture.plan import (
    SEED_BITS,
    TIMEOUT_US,
    US_PER_S,
    Connecting,
    Plan,
    PreflightPlan,
)
from stressproof.config.amounts import duration_us
from stressproof.config.compile import Project
from stressproof.config.plans import PlanReader
from stressproof.config.profile import AD_HOC_ERRORS_PERCENT
from stressproof.errors import UsageError
from stressproof.evidence.results import Thresholds
from stressproof.evidence.target import DEFAULT_TARGET
from stressproof.suite import HealthProbe, Probes
from stressproof.workload.executors import Executor
from stressproof.workload.scenarios import Scenario
from stressproof.workload.target import origin_of


def plan_file(
    project: Project,
    profile: str,
    environment: Mapping[str, str],
    *,
    runner: str,
    target: str = "",
    url: str | None = None,
    headers: Mapping[str, str] | None = None,
    executor: Executor | None = None,
    rounds: int | None = None,
    pause_us: int | None = None,
    timeout_us: int | None = None,
    seed: int | None = None,
    workers: int = 1,
    preflight: PreflightPlan | None = None,
    default_url: str = "",
) -> Plan:
    """Return the plan of a capture that a file describes.

    Args:
        project: What the file says.
        profile: Which of its profiles.
        environment: What ``${}`` is taken from.
        runner: What runs this, as evidence names it.
        target: Which of ``[targets]``, the main one if empty.
        url: Of the service, instead of the target's.
        headers: Beside the target's, and instead of those of the same name.
        executor: Instead of the profile's one.
        rounds: Instead of the profile's.
        pause_us: Likewise.
        timeout_us: Likewise.
        seed: Likewise.
        workers: Generator processes.
        preflight: What happens before the load.
        default_url: Where neither the file nor ``url`` says.

    Raises:
        UsageError: The file has no such profile or target, or something in it cannot be done.
    """
    load = project.plan.profiles[profile]
    reader = PlanReader(project.plan, environment)
    scenarios = _scenarios(reader, project, profile, executor)
    table = project.plan.target_of(target)
    base = (url or reader.text(table.url or default_url)).strip().rstrip("/")
    origin_of(base)
    patience_us = timeout_us or duration_us(load.timeout) or TIMEOUT_US
    limits = Thresholds(patience_us / US_PER_S, AD_HOC_ERRORS_PERCENT, 0.0)
    drawn = secrets.randbits(SEED_BITS) if load.seed is None else load.seed
    between_us = (duration_us(load.pause) or 0) if pause_us is None else pause_us
    tables = reader.tables()
    health = Probes(HealthProbe(table.health, {"status": "status"})) if table.health else Probes()
    plan = Plan(
        url=base,
        profile=profile,
        scenarios=scenarios,
        all_tenants=False,
        runner=runner,
        pause_seconds=between_us / US_PER_S,
        rounds=rounds or load.rounds,
        timeout_us=patience_us,
        workers=workers,
        seed=drawn if seed is None else seed,
        thresholds=project.limits.instead_of(limits),
        preflight=preflight or PreflightPlan(),
        probes=health,
        headers=dict(headers or {}),
        tables=tables,
        folder=str(project.plan.folder.resolve()),
        files=tuple(reader.files),
    )
    return as_target(plan, project, target, environment, is_named=bool(table.url) and url is None)


def _scenarios(
    reader: PlanReader, project: Project, profile: str, executor: Executor | None
) -> tuple[Scenario, ...]:
    """Return what a profile asks, of another executor where the flags say how much."""
    scenarios = reader.scenarios(project.plan.profiles[profile])
    if executor is None:
        return scenarios
    if len(scenarios) > 1:
        raise UsageError(
            f"{profile} has {len(scenarios)} scenarios, and the flags say how much one asks",
            hint="Leave the flags out, or write another profile.",
        )
    return (msgspec.structs.replace(scenarios[0], executor=executor),)


def as_target(
    plan: Plan, project: Project, target: str, environment: Mapping[str, str], *, is_named: bool
) -> Plan:
    """Return a plan that reaches its service as the file has a target: certificates, headers, auth.

    Args:
        plan: What to do, with the headers that a command gives.
        project: What the file says.
        target: Which of ``[targets]``, the main one if empty.
        environment: What ``${}`` is taken from.
        is_named: Whether the URL is the file's; evidence names the target unless headers were
            given as well, which are not what the file calls by this name.

    Raises:
        UsageError: The file has no such target, or something in it cannot be done.
    """
    table, reader = project.plan.target_of(target), PlanReader(project.plan, environment)
    return msgspec.structs.replace(
        plan,
        target_name=(target or DEFAULT_TARGET) if is_named and not plan.headers else None,
        connecting=Connecting(
            ca_file=_beside(project, table.ca_file),
            cert_file=_beside(project, table.client_cert),
            key_file=_beside(project, table.client_key),
            insecure=bool(table.insecure),
            address=table.resolve,
            http2=bool(table.http2),
        ),
        headers=reader.texts(table.headers) | plan.headers,
        auth=reader.auth(table.auth),
    )


def _beside(project: Project, path: str | None) -> str | None:
    return None if path is None else str(project.plan.folder / path)
