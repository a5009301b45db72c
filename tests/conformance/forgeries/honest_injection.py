"""A full failure artifact that is consistent with itself, made up of a simple made-up load.

Its scenarios need not pass: what the operations of a real run must look like is the injection's
affair. Everything in it is derived by the functions that the injection uses.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

import msgspec
from forgeries.honest import COMMIT, NOW

from protocol_failures import FORGERIES, SCENARIOS
from stressproof.evidence.clock import ClockRecord
from stressproof.evidence.failure import CheckResult, InjectedFault, Recovery, Witness
from stressproof.evidence.target import RuntimeProbe, Subject, TargetProbe
from stressproof.evidence.versions import SCHEMA_VERSION
from stressproof.failures import conclusions
from stressproof.failures.artifact import (
    CodeRecord,
    EffectCounts,
    FailureArtifact,
    Operations,
    Scenario,
    TestbedRecord,
    Trial,
)
from stressproof.failures.fault_kinds import demanded_witnesses, is_of_the_file, limits_of
from stressproof.failures.history import COLUMNS, EFFECT_COLUMNS, ORIGINS, Origin, parse_code, read
from stressproof.failures.schedule import arrivals
from stressproof.failures.sendings import stream_per_s, streamed_by
from stressproof.failures.spec import FaultSpec, RequestSpec, ScenarioSpec

SECOND_US = 1_000_000
SEED = 7


class Asked(NamedTuple):
    """One request of the made-up load."""

    start_us: int
    request: RequestSpec
    kind: str
    origin: Origin


def _asked(spec: ScenarioSpec, faults: list[InjectedFault], until_us: int) -> list[Asked]:
    """All that the load asks, and what faults send beside it."""
    asked = [
        Asked(one.due_us, one.request, one.request.kind, "scheduled")
        for one in arrivals(spec, SEED, until_us)
    ]
    at_us = faults[0].effective_us if faults else spec.steady_us
    for request in spec.requests:
        sent = [Asked(at_us, request, request.kind, "fault")] * request.sent[bool(faults)]
        for fault in faults:
            if request.rows_of == fault.id:
                sent += [
                    Asked(at_us, request, f"{request.kind}_{word}", "fault") for word in FORGERIES
                ]
            stream = streamed_by(spec.faults, request.kind)
            if stream is not None and stream.id == fault.id:
                per_s = stream_per_s(stream)
                count = per_s * (fault.removed_us - fault.effective_us) // SECOND_US
                apart_us = SECOND_US // per_s
                starts = [fault.effective_us + n * apart_us for n in range(count)]
                sent += [Asked(start_us, request, request.kind, "fault") for start_us in starts]
        asked += sent
    return sorted(asked, key=lambda one: one.start_us)


def _operations(spec: ScenarioSpec, faults: list[InjectedFault], until_us: int) -> Operations:
    """Every request of the load; each effect once, each answered."""
    asked = _asked(spec, faults, until_us)
    kinds = sorted({one.kind for one in asked})
    seen: Counter[str] = Counter()
    answers = []
    for one in asked:
        name = _answer(one, seen[one.kind])
        parsed = parse_code(name)
        assert parsed is not None
        answers.append((name, one.request.classify(*parsed)))
        seen[one.kind] += 1
    codes, effects = sorted(set(answers)), count(1)
    rows = [
        [
            one.start_us,
            20_000 + number % 977,
            kinds.index(one.kind),
            codes.index(answer),
            next(effects) if one.request.keyed else 0,
            1,
            ORIGINS.index(one.origin),
        ]
        for number, (one, answer) in enumerate(zip(asked, answers, strict=True))
    ]
    records = [CodeRecord(*code) for code in codes]
    return Operations(kinds=kinds, codes=records, columns=COLUMNS, rows=rows)


def _answer(one: Asked, before: int) -> str:
    """What a service says that does as it should: forgeries are refused, a race is won once."""
    kind = one.kind
    if kind.startswith("tamper_"):
        return "401"
    if kind == "gate_flood" and one.origin == "fault":
        return "429/retry"
    if "settle" in kind or kind.startswith(("race_same", "race_different")):
        return "200/settled"
    if kind.startswith("race_"):
        return "200/DENY" if before else "200/ALLOW"
    return "200/ALLOW" if kind.startswith("gate") else "200"


def _witnesses(spec: ScenarioSpec, fault: FaultSpec) -> list[Witness]:
    """What proves a fault: more than it needs; of one for each row, as many as it sent."""
    rows = any(request.rows_of == fault.id for request in spec.requests)
    return [
        Witness(
            name=one.name,
            before=0,
            during=len(FORGERIES) if rows else one.needs + 100,
            needs=one.needs,
        )
        for one in demanded_witnesses(fault)
    ]


def _faults(spec: ScenarioSpec) -> list[InjectedFault]:
    at = spec.steady_us
    faults = []
    for each in spec.faults:
        effective, healed = at + 5_000, at + 5_000 + each.lasts_us
        faults.append(
            InjectedFault(
                id=each.id,
                kind=each.kind,
                target=each.target,
                parameters=dict(each.parameters),
                requested_us=at,
                effective_us=effective,
                removed_us=healed - 1_000,
                healed_us=healed,
                watched_us=healed + each.watch_us,
                witnesses=_witnesses(spec, each),
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
            conclusions.answered(one, compared, 0)
            for one in spec.demanded_invariants(with_faults=with_faults)
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
        effects=EffectCounts(
            columns=EFFECT_COLUMNS,
            rows=[[key, count] for key, count in sorted(found.items())],
        ),
        faults=faults,
        phases=[],
        checks=_checks(spec, max(100, len(found)), with_faults=with_faults),
        log=["made up"],
    )
    return conclusions.completed(trial, spec)


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
        spec=spec,
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


def _target(at: datetime, commit: str) -> TargetProbe:
    return TargetProbe(
        instance_id="instance-1",
        version="0.1.0",
        git_commit=commit,
        git_dirty=False,
        started_at=at.isoformat(),
        uptime_seconds=100.0,
        workers=2,
    )


def one() -> dict[str, Any]:
    """An artifact of the first scenario alone: quicker to judge where that does not matter."""
    return full(("FI-001",))


def full(
    names: tuple[str, ...] = (),
    specs: Sequence[ScenarioSpec] = SCENARIOS,
    profile: str = "enforcement_failure_injection",
    *,
    started: datetime = NOW - timedelta(hours=3),
    commit: str = COMMIT,
) -> dict[str, Any]:
    """The artifact of scenarios, all of them if none is named, as plain values."""
    at = started
    scenarios = []
    for place, spec in enumerate(spec for spec in specs if not names or spec.id in names):
        scenario, at = _scenario(place, spec, at + timedelta(seconds=1))
        scenarios.append(scenario)
    artifact = FailureArtifact(
        schema_version=SCHEMA_VERSION,
        status="complete",
        profile=profile,
        runner="staged_failure_injection",
        execution_class="staged",
        started_at=started.isoformat(),
        captured_at=(at + timedelta(seconds=1)).isoformat(),
        clock=ClockRecord(drift_us=-412, steps=[]),
        executed_by="alice@example.com",
        approved_by="bob@example.com",
        seed=SEED,
        subject=Subject(git_commit=commit, git_dirty=False),
        target_before=_target(started, commit),
        target_after=_target(started, commit),
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
            limits=limits_of(one.spec for one in scenarios),
            unsupported=[],
            permitted_faults=[
                fault.id for one in scenarios for fault in one.spec.faults if is_of_the_file(fault)
            ],
        ),
        scenarios=scenarios,
        summary=conclusions.summarise(scenarios),
    )
    built: dict[str, Any] = msgspec.to_builtins(artifact)
    return built
