"""A full failure artifact that is consistent with itself, made up of a simple made-up load.

Its scenarios need not pass: what the operations of a real run must look like is the injection's
affair. Everything in it is derived by the functions that the injection uses.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import msgspec
from forgeries.honest import COMMIT, NOW

from enforcement_suite.fault_limits import LIMITS
from enforcement_suite.scenarios import SCENARIOS
from stressproof.evidence.clock import ClockRecord
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
from stressproof.evidence.target import RuntimeProbe, Subject, TargetProbe
from stressproof.evidence.versions import SCHEMA_VERSION
from stressproof.failures import conclusions
from stressproof.failures.history import COLUMNS, EFFECT_COLUMNS, read
from stressproof.failures.schedule import arrivals
from stressproof.failures.spec import RequestSpec, ScenarioSpec

SECOND_US = 1_000_000
SEED = 7


def _operations(spec: ScenarioSpec, faults: list[InjectedFault], until_us: int) -> Operations:
    """All that the load asks, and what faults send beside it; each effect once, each answered."""
    asked = [(one.due_us, one.request) for one in arrivals(spec, SEED, until_us)]
    at_us = faults[0].effective_us if faults else spec.steady_us
    streamed: set[int] = set()
    for request in spec.requests:
        asked += [(at_us, request)] * request.sent[bool(faults)]
        for fault in faults:
            if request.stream == fault.id:
                count = request.stream_per_s * (fault.removed_us - fault.effective_us) // SECOND_US
                apart_us = SECOND_US // request.stream_per_s
                starts = [fault.effective_us + n * apart_us for n in range(count)]
                streamed.update(starts)
                asked += [(start_us, request) for start_us in starts]
    asked.sort(key=lambda one: one[0])
    kinds = sorted({request.kind for _, request in asked})
    seen: Counter[str] = Counter()
    rows, answers = [], []
    for number, (start_us, request) in enumerate(asked):
        answers.append(_answer(request, seen[request.kind], streamed=start_us in streamed))
        seen[request.kind] += 1
        key = number + 1 if request.keyed else 0
        rows.append([start_us, 20_000 + number % 977, kinds.index(request.kind), 0, key, 1])
    codes = sorted(set(answers))
    for row, answer in zip(rows, answers, strict=True):
        row[3] = codes.index(answer)
    return Operations(kinds=kinds, codes=codes, columns=COLUMNS, rows=rows)


def _answer(request: RequestSpec, before: int, *, streamed: bool) -> str:
    """What a service says that does as it should: forgeries are refused, a race is won once."""
    if request.kind.startswith("tamper_"):
        return "401"
    if request.stream and streamed:
        return "429/retry"
    if "settle" in request.kind or request.kind.startswith(("race_same", "race_different")):
        return "200/settled"
    if request.kind.startswith("race_"):
        return "200/DENY" if before else "200/ALLOW"
    return "200/ALLOW" if request.kind.startswith("gate") else "200"


def _faults(spec: ScenarioSpec) -> list[InjectedFault]:
    at = spec.steady_us
    faults = []
    for each in spec.faults:
        effective, healed = at + 5_000, at + 5_000 + each.lasts_us
        faults.append(
            InjectedFault(
                id=each.id,
                kind=each.kind,
                target=each.target.replace("*", "2"),
                parameters={
                    name: 2 if value == "*" else value for name, value in each.parameters.items()
                },
                requested_us=at,
                effective_us=effective,
                removed_us=healed - 1_000,
                healed_us=healed,
                watched_us=healed + each.watch_us,
                witnesses=[
                    Witness(name=one.name, before=0, during=one.needs + 8, needs=one.needs)
                    for one in each.witnesses
                ],
                objectives=each.objectives,
                recovery=Recovery(None, None, None, None, 0),
            )
        )
        at = healed + each.watch_us
    return faults


def _checks(spec: ScenarioSpec, compared: int, *, with_faults: bool) -> list[CheckResult]:
    return [
        *map(conclusions.pending, spec.demanded_checks(with_faults=with_faults)),
        *(
            conclusions.answered(query, compared, 0)
            for query in spec.demanded_queries(with_faults=with_faults)
        ),
    ]


def _trial(spec: ScenarioSpec, begin: datetime, *, with_faults: bool) -> Trial:
    faults = _faults(spec) if with_faults else []
    until = max((fault.watched_us for fault in faults), default=spec.steady_us)
    operations = _operations(spec, faults, until)
    found = {one.key: int(one.code.ending == "ok") for one in read(operations) if one.key}
    trial = Trial(
        started_at=begin.isoformat(),
        ended_at=(begin + timedelta(microseconds=until + 3 * SECOND_US)).isoformat(),
        duration_us=0,
        operations=operations,
        effects=Effects(
            sql=spec.effects_sql,
            columns=EFFECT_COLUMNS,
            rows=[[key, count] for key, count in sorted(found.items())],
        ),
        faults=faults,
        phases=[],
        checks=_checks(spec, max(100, len(found)), with_faults=with_faults),
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
        command="stressproof inject --seed 7 --executed-by alice@example.com",
        result_tail="made up",
        title=spec.title,
        seed=SEED,
        reasons=reasons,
        baseline=baseline,
        trial=trial,
    )
    return scenario, datetime.fromisoformat(trial.ended_at)


def _runtime(at: datetime, entries: int = 0) -> RuntimeProbe:
    """What a database says after so many entries of the journal."""
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
        transactions_committed=40_000,  # a crash loses the count
        wal_bytes=25_000_000 + 2_000 * entries,
        journal_sequence=5_000 + entries,
        journal_hash=f"{entries:064x}",
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
        schema_version=SCHEMA_VERSION,
        status="complete",
        profile="enforcement_failure_injection",
        runner="staged_failure_injection",
        execution_class="staged",
        started_at=started.isoformat(),
        captured_at=(at + timedelta(seconds=1)).isoformat(),
        clock=ClockRecord(drift_us=-412, steps=[]),
        executed_by="alice@example.com",
        approved_by="bob@example.com",
        seed=SEED,
        subject=Subject(git_commit=COMMIT, git_dirty=False),
        target_before=_target(started),
        target_after=_target(started),
        runtime_before=_runtime(started),
        runtime_after=_runtime(at, 900),
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
