"""A full failure artifact that is consistent with itself, made up of a simple made-up load.

Its scenarios need not pass: what the operations of a real run must look like is the injection's
affair. Everything in it is derived by the functions that the injection uses.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from forgeries.honest import COMMIT, NOW

from enforcement_suite.fault_limits import LIMITS
from enforcement_suite.scenarios import SCENARIOS
from stressproof.evidence.failure import (
    CheckResult,
    Effects,
    FailureArtifact,
    InjectedFault,
    Operations,
    Recovery,
    Scenario,
    TestbedRecord,
    Trial,
    Witness,
)
from stressproof.evidence.stress import RuntimeProbe, Subject, TargetProbe
from stressproof.failures import conclusions
from stressproof.failures.history import COLUMNS, EFFECT_COLUMNS
from stressproof.failures.spec import ScenarioSpec

SECOND_US = 1_000_000
KINDS = ["gate_hard", "live", "read"]


def _operations(spec: ScenarioSpec, until_us: int) -> Operations:
    """An even load, enough to judge; every third request is a gate with an effect of its own."""
    rows = []
    rate_per_s = max(12, spec.rate_per_s * 11 // 20)
    for number in range(rate_per_s * until_us // SECOND_US):
        start = number * SECOND_US // rate_per_s
        kind = number % len(KINDS)
        rows.append([start, 20_000 + number % 977, kind, 0, number + 1 if kind == 0 else 0, 1])
    return Operations(kinds=KINDS, codes=["200/ALLOW"], columns=COLUMNS, rows=rows)


def _faults(spec: ScenarioSpec) -> list[InjectedFault]:
    at = spec.steady_us
    faults = []
    for each in spec.faults:
        effective, healed = at + 5_000, at + 5_000 + each.lasts_us
        faults.append(
            InjectedFault(
                id=each.id,
                kind=each.kind,
                target="proxy",
                parameters={"seed": 1},
                requested_us=at,
                effective_us=effective,
                removed_us=healed - 1_000,
                healed_us=healed,
                watched_us=healed + each.watch_us,
                witnesses=[Witness(name=each.witness, before=0, during=9, needs=1)],
                objectives=each.objectives,
                recovery=Recovery(None, None, None, None, 0),
            )
        )
        at = healed + each.watch_us
    return faults


def _checks(spec: ScenarioSpec, *, with_faults: bool) -> list[CheckResult]:
    return [
        *map(conclusions.pending, spec.demanded_checks(with_faults=with_faults)),
        *(
            conclusions.answered(query, 100, 0)
            for query in spec.demanded_queries(with_faults=with_faults)
        ),
    ]


def _trial(spec: ScenarioSpec, begin: datetime, *, with_faults: bool) -> Trial:
    faults = _faults(spec) if with_faults else []
    until = max((fault.watched_us for fault in faults), default=spec.steady_us)
    operations = _operations(spec, until)
    keys = sorted(row[4] for row in operations.rows if row[4])
    trial = Trial(
        started_at=begin.isoformat(),
        ended_at=(begin + timedelta(microseconds=until + 3 * SECOND_US)).isoformat(),
        duration_us=0,
        operations=operations,
        effects=Effects(
            sql=spec.effects_sql, columns=EFFECT_COLUMNS, rows=[[key, 1] for key in keys]
        ),
        faults=faults,
        phases=[],
        checks=_checks(spec, with_faults=with_faults),
        log=["made up"],
    )
    return conclusions.completed(trial)


def _scenario(place: int, spec: ScenarioSpec, begin: datetime) -> tuple[Scenario, datetime]:
    baseline = _trial(spec, begin, with_faults=False)
    trial = _trial(
        spec, datetime.fromisoformat(baseline.ended_at) + timedelta(seconds=1), with_faults=True
    )
    status, reasons = conclusions.judge_scenario(baseline, trial)
    scenario = Scenario(
        id=spec.id,
        status=status,
        duration_seconds=conclusions.seconds(baseline, trial),
        checks=conclusions.passed_titles(trial),
        evidence_refs=[f"#/scenarios/{place}/trial", f"#/scenarios/{place}/baseline"],
        command=f"inject {spec.id}",
        result_tail="made up",
        title=spec.title,
        seed=7,
        reasons=reasons,
        baseline=baseline,
        trial=trial,
    )
    return scenario, datetime.fromisoformat(trial.ended_at)


def _runtime(at: datetime) -> RuntimeProbe:
    return RuntimeProbe(
        probed_at=at.isoformat(),
        status_code=200,
        status="healthy",
        database_engine="postgresql",
        database_engine_source="db-query",
        server_version="18.4",
        system_identifier="7421234567890123456",
        fsync="on",
        synchronous_commit="on",
        migration_head="0001",
        probe_error=None,
    )


def _target(at: datetime) -> TargetProbe:
    return TargetProbe(
        instance_id="instance-1",
        version="0.1.0",
        git_commit=COMMIT,
        git_dirty=False,
        started_at=at.isoformat(),
        uptime_seconds=100.0,
        workers=2,
    )


def one() -> dict[str, Any]:
    """An artifact of the first scenario alone: quicker to judge where that does not matter."""
    return full(("FI-001",))


def full(names: tuple[str, ...] = tuple(spec.id for spec in SCENARIOS)) -> dict[str, Any]:
    """The artifact as plain values."""
    started = NOW - timedelta(hours=3)
    at = started
    scenarios = []
    for place, spec in enumerate(spec for spec in SCENARIOS if spec.id in names):
        scenario, at = _scenario(place, spec, at + timedelta(seconds=1))
        scenarios.append(scenario)
    artifact = FailureArtifact(
        schema_version=2,
        status="complete",
        profile="enforcement_failure_injection",
        runner="staged_failure_injection",
        execution_class="staged",
        started_at=started.isoformat(),
        captured_at=(at + timedelta(seconds=1)).isoformat(),
        executed_by="alice@example.com",
        approved_by="bob@example.com",
        seed=7,
        subject=Subject(git_commit=COMMIT, git_dirty=False),
        target_before=_target(started),
        target_after=_target(started),
        runtime_before=_runtime(started),
        runtime_after=_runtime(at),
        unsafe=[],
        stage=TestbedRecord(
            tool="stressproof",
            version="0.1.0",
            python="3.11.7",
            host="linux-x86_64",
            cpus=2,
            workers=2,
            proxy="own",
            postgres_binary_sha256=None,
            limits=list(LIMITS),
            unsupported=[],
        ),
        scenarios=scenarios,
        summary=conclusions.summarise(scenarios),
    )
    built: dict[str, Any] = msgspec.to_builtins(artifact)
    return built
