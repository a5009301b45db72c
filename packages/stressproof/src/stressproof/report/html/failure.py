"""The report of failures injected: what was broken, what callers saw, what was lost, how long."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from stressproof.failures.artifact import FailureArtifact, Scenario, Trial
from stressproof.failures.check_kind import ALL
from stressproof.failures.conclusions import effects_of, took_effect
from stressproof.failures.history import Operation, read
from stressproof.outcome import Outcome
from stressproof.quantities import count, count_of, listed, span
from stressproof.report.html.failure_charts import answers_chart, latency_chart
from stressproof.report.html.parts import (
    Fact,
    Judged,
    Page,
    Section,
    Table,
    build_facts,
    verification,
)
from stressproof.report.offenders import Offenders
from stressproof.verify.rule import printable
from stressproof.verify.verdict import Verdict

OUTCOMES = {
    "pass": Outcome.PASS,
    "fail": Outcome.FAIL,
    "inconclusive": Outcome.INCONCLUSIVE,
}


class Effects(Struct, frozen=True):
    """What became of the effects that callers asked for.

    Attributes:
        acknowledged: Effects that at least one answer confirmed.
        lost: Of those, how many are not there in the end.
        doubled: Effects that are there more than once.
    """

    acknowledged: int
    lost: int
    doubled: int

    @classmethod
    def of(cls, trial: Trial, operations: Sequence[Operation]) -> "Effects":
        """Return what became of a trial's effects."""
        found = effects_of(trial)
        acknowledged = {one.key for one in operations if one.key and one.code.ending == "ok"}
        return cls(
            acknowledged=len(acknowledged),
            lost=sum(found.get(key, 0) == 0 for key in acknowledged),
            doubled=sum(times > 1 for times in found.values()),
        )

    def __str__(self) -> str:
        if not self.acknowledged:
            return "no effect was acknowledged"
        lost = f"{count(self.lost)} lost" if self.lost else "none lost"
        doubled = f"{count(self.doubled)} doubled" if self.doubled else "none doubled"
        return f"{count(self.acknowledged)} acknowledged, {lost}, {doubled}"


def page(artifact: FailureArtifact, verdict: Verdict, *, id: str) -> Page:  # noqa: A002  # HTML's
    """Return the report of a failure artifact.

    Args:
        artifact: What was recorded; readable in full (`stressproof.failures.history.read`).
        verdict: How it was judged.
        id: Unique in the document.

    Raises:
        ValueError: Its operations mean nothing.
    """
    parts = [_scenario(one, id) for one in artifact.scenarios]
    return Page(
        id=id,
        title=f"Failures: {printable(artifact.profile)}",
        verdict=verdict,
        sentence=_sentence(artifact, verdict),
        next_step=_next_step(verdict),
        facts=[
            *build_facts(artifact.subject.git_commit, dirty=artifact.subject.git_dirty),
            Fact("Executed by", printable(artifact.executed_by)),
            Fact("Approved by", printable(artifact.approved_by)),
            Fact(
                "Broken",
                f"{count_of(sum(len(one.trial.faults) for one in artifact.scenarios), 'fault')} "
                f"in {count_of(len(artifact.scenarios), 'scenario')}",
            ),
            Fact("Captured", printable(artifact.captured_at)),
        ],
        judged=[
            Judged(
                name=f"{printable(one.id)}: {printable(one.spec.title)}",
                outcome=OUTCOMES[one.status],
                observed="; ".join(map(printable, one.reasons)) or one.status,
                limit="pass",
                samples=count(len(one.trial.checks) + len(one.baseline.checks)),
            )
            for one in artifact.scenarios
        ],
        sections=[
            _overview(artifact, id),
            Section(id=f"{id}-scenarios", title="Scenario by scenario", parts=parts),
            _limits(artifact, id),
            _provenance(artifact, id),
            verification(verdict, id),
        ],
    )


def _sentence(artifact: FailureArtifact, verdict: Verdict) -> str:
    summary = artifact.summary
    told = (
        f"{summary.passed_scenarios} of {count_of(summary.total_scenarios, 'scenario')} passed, "
        "each beside a run of the same load without a fault"
    )
    if artifact.status != "complete":
        return f"The injection is {artifact.status}: this is no release evidence. {told}."
    if verdict.outcome is Outcome.PASS:
        return f"The build survived its failures. {told}."
    broken = [printable(one.id) for one in artifact.scenarios if one.status == "fail"]
    if broken:
        return f"The build did not survive {listed(broken)}. {told}."
    unsure = [printable(one.id) for one in artifact.scenarios if one.status == "inconclusive"]
    if unsure:
        return f"Nothing is proven by {listed(unsure)}. {told}."
    first = verdict.blocking[0].title if verdict.blocking else "nothing could be judged"
    return f"Not proven; it must hold that: {first}. {told}."


def _next_step(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.PASS:
        return "Hand this file to the gate: stressproof gate release."
    findings = [finding.remedy for result in verdict.blocking for finding in result.findings]
    return next(filter(None, findings), "Inject again.")


def _overview(artifact: FailureArtifact, prefix: str) -> Section:
    rows = []
    for one in artifact.scenarios:
        faults = one.trial.faults
        recovered = [fault.recovery.rto_service_us for fault in faults]
        longest = (
            None
            if None in recovered or not recovered
            else max(map(int, filter(None, recovered)), default=0)
        )
        gap = max((fault.recovery.longest_gap_us for fault in faults), default=None)
        rows.append(
            [
                f"{printable(one.id)}: {printable(one.spec.title)}",
                one.status.upper(),
                listed([printable(fault.kind) for fault in faults]),
                span(gap),
                span(longest) if longest is not None else "did not recover",
                str(Effects.of(one.trial, read(one.trial.operations))),
            ]
        )
    columns = ["Scenario", "Verdict", "Broken", "Longest silence", "Recovered within", "Effects"]
    table = Table("Every scenario with its worst fault", columns, rows, words=len(columns))
    return Section(
        id=f"{prefix}-overview", title="What was broken, and what became of it", tables=[table]
    )


def _scenario(scenario: Scenario, prefix: str) -> Section:
    trial = scenario.trial
    operations = read(trial.operations)
    prefix = f"{prefix}-{scenario.id.lower()}"
    reasons = " ".join(f"{printable(one)}." for one in scenario.reasons)
    return Section(
        id=prefix,
        title=f"{printable(scenario.id)}: {printable(scenario.spec.title)}",
        lead=f"{scenario.status.upper()}. {reasons}".strip(),
        facts=[
            Fact("Load", f"{count(len(operations))} requests in {span(trial.duration_us)}"),
            Fact("Effects", str(Effects.of(trial, operations))),
            Fact("Command", printable(scenario.command)),
            Fact("Seed", str(scenario.seed)),
        ],
        charts=[latency_chart(trial, operations, prefix), answers_chart(trial, operations, prefix)],
        tables=[_faults(trial), _recoveries(trial), _callers(trial)],
        judged=[
            *_judged(scenario, trial, ""),
            *_judged(scenario, scenario.baseline, "without a fault: "),
        ],
    )


def _faults(trial: Trial) -> Table:
    rows = []
    for fault in trial.faults:
        parameters = [f"{name} {value}" for name, value in sorted(fault.parameters.items())]
        witnesses = [
            f"{printable(one.name)} {count(one.before)} → {count(one.during)}"
            + ("" if took_effect(one) else f" (needs {count(one.needs)} more)")
            for one in fault.witnesses
        ]
        rows.append(
            [
                printable(fault.id),
                printable(f"{fault.kind} on {fault.target}"),
                printable(", ".join(parameters)) or "none",
                f"{span(fault.effective_us)} to {span(fault.removed_us)}",
                span(fault.healed_us - fault.effective_us),
                "; ".join(witnesses),
            ]
        )
    columns = ["Fault", "What", "How", "In effect", "Healed after", "Witness"]
    return Table("What was broken, and what proves it", columns, rows, words=len(columns))


def _recoveries(trial: Trial) -> Table:
    rows = []
    for fault in trial.faults:
        recovery, objective = fault.recovery, fault.objectives
        rows.append(
            [
                printable(fault.id),
                "never" if recovery.detection_us is None else span(recovery.detection_us),
                span(recovery.longest_gap_us),
                "not yet" if recovery.rto_user_us is None else span(recovery.rto_user_us),
                "not yet" if recovery.rto_service_us is None else span(recovery.rto_service_us),
                span(objective.rto_service_us),
            ]
        )
    columns = [
        "Fault",
        "Seen by callers after",
        "Longest silence",
        "Callers served again after",
        "Service recovered within",
        "Objective",
    ]
    return Table("Recovery", columns, rows)


def _callers(trial: Trial) -> Table:
    rows = [
        [
            printable(one.phase),
            count(one.ok),
            count(one.fail),
            count(one.unknown),
            count(one.unhealthy),
        ]
        for one in trial.phases
    ]
    columns = ["Phase", "Acknowledged", "Refused", "Unknown", "Not a service"]
    return Table("What callers saw", columns, rows)


def _judged(scenario: Scenario, trial: Trial, before: str) -> Iterator[Judged]:
    offenders = Offenders(scenario, trial)
    for check in trial.checks:
        about = f" ({printable(check.about)})" if check.about else ""
        of = check.parameters.get("of", ALL)
        whose = f" of {', '.join(map(str, of))}" if isinstance(of, tuple) and of != ALL else ""
        yield Judged(
            name=f"{before}{printable(check.title)}{about}",
            outcome=OUTCOMES[check.outcome],
            observed=f"{count(check.violations)} of {count(check.compared)} wrong"
            if check.compared
            else "nothing to look at",
            limit="none",
            samples=count(check.compared),
            note=printable("; e.g. ".join([f"{check.id}{whose}", *offenders.of(check)])),
        )


def _limits(artifact: FailureArtifact, prefix: str) -> Section:
    lines = [printable(line) for line in artifact.stage.limits]
    lines += [f"{printable(one.fault)}: {printable(one.why)}" for one in artifact.stage.unsupported]
    return Section(
        id=f"{prefix}-limits",
        title="What these faults are not",
        lead="" if lines else "Nothing was said of it.",
        lines=lines,
    )


def _provenance(artifact: FailureArtifact, prefix: str) -> Section:
    stage, runtime = artifact.stage, artifact.runtime_before
    facts = [
        Fact("Commit", printable(artifact.subject.git_commit or "unknown")),
        Fact("Profile", printable(artifact.profile)),
        Fact(
            "Written by",
            f"{printable(artifact.runner)} ({printable(stage.tool)} {printable(stage.version)})",
        ),
        Fact("Machine", f"{printable(stage.host)}, {count(stage.cpus)} cores"),
        Fact("Proxy", printable(stage.proxy)),
        Fact("Started", printable(artifact.started_at)),
        Fact("Captured", printable(artifact.captured_at)),
        Fact("Seed", str(artifact.seed)),
    ]
    if runtime.database_engine is not None:
        version = printable(runtime.server_version or "")
        facts.append(Fact("Database", f"{printable(runtime.database_engine)} {version}".strip()))
    return Section(id=f"{prefix}-provenance", title="Where this comes from", facts=facts)
