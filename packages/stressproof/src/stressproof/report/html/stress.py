"""The report of a load: what was asked, what came of it, and how anybody can see that."""

from collections.abc import Sequence

from stressproof.evidence.derive import Totals, by_endpoint, combined
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.target import UNKNOWN_ENGINE
from stressproof.measure.histogram import P50_PPM, P95_PPM, P99_PPM
from stressproof.objectives.evaluating import Answers
from stressproof.outcome import Outcome
from stressproof.quantities import (
    count,
    count_of,
    latency,
    latency_of_seconds,
    listed,
    percent,
    share,
)
from stressproof.report.capture_summary import load_of
from stressproof.report.generator_limits import remedies
from stressproof.report.html.load_charts import latency_chart, percentile_chart, rate_chart
from stressproof.report.html.parts import (
    Fact,
    Judged,
    Page,
    Section,
    Table,
    build_facts,
    verification,
)
from stressproof.verify.rule import printable
from stressproof.verify.verdict import Verdict

_US = 1_000_000


def page(
    artifact: StressArtifact,
    verdict: Verdict,
    answers: Answers,
    *,
    id: str,  # noqa: A002  # HTML's own name
    baseline: StressArtifact | None = None,
) -> Page:
    """Return the report of a stress artifact.

    Args:
        artifact: What was measured.
        verdict: How it was judged.
        answers: Its limits and the project's objectives, judged on it.
        id: Unique in the document.
        baseline: An earlier artifact, drawn beside it.
    """
    judged = judged_of(answers)
    sections = [
        _objectives(judged, id),
        _over_time(artifact, id),
        _endpoints(artifact, id),
        _errors(artifact, id),
        _distribution(artifact, id, baseline),
        _generator(artifact, id),
        _provenance(artifact, id),
        verification(verdict, id),
    ]
    return Page(
        id=id,
        title=f"Load: {printable(artifact.profile)} on {printable(artifact.target_url)}",
        verdict=verdict,
        sentence=_sentence(artifact, verdict, answers),
        next_step=_next_step(artifact, verdict, answers),
        facts=_facts(artifact),
        judged=judged,
        sections=[section for section in sections if section is not None],
    )


def _sentence(artifact: StressArtifact, verdict: Verdict, answers: Answers) -> str:
    results = artifact.results
    measured = (
        f"{count_of(results.total_requests, 'request')} in "
        f"{count_of(len(artifact.runs), 'round')}: 95 % answered within "
        f"{latency_of_seconds(artifact.evaluation.worst_p95_seconds)} in the worst round, "
        f"{share(results.failed_requests, results.total_requests)} failed"
    )
    if artifact.status != "complete":
        return f"The run is {artifact.status}: this is no release evidence. {measured}."
    if artifact.generator.worst.saturated:
        return f"Nothing is proven: the load generator itself was the limit. {measured}."
    missed = [one.threshold for one in answers.thresholds if one.outcome is Outcome.FAIL]
    missed += [one.name for one in answers.slos if one.outcome is Outcome.FAIL]
    if missed:
        return f"The build does not meet {listed(missed, 2)}. {measured}."
    if verdict.outcome is Outcome.PASS:
        return f"The build stood its load. {measured}."
    first = verdict.blocking[0].title if verdict.blocking else "nothing could be judged"
    return f"Not proven; it must hold that: {first}. {measured}."


def _next_step(artifact: StressArtifact, verdict: Verdict, answers: Answers) -> str:
    if artifact.generator.worst.saturated:
        return f"Give the generator more room: {'; '.join(remedies(artifact))}."
    if any(one is Outcome.FAIL for one in answers.outcomes):
        return "See which endpoint and which second is slow or fails, mend it, and capture again."
    if verdict.outcome is Outcome.PASS:
        return "Hand this file to the gate: stressproof gate release."
    findings = [finding.remedy for result in verdict.blocking for finding in result.findings]
    return next(filter(None, findings), "Capture again.")


def _facts(artifact: StressArtifact) -> list[Fact]:
    workload = artifact.workload
    load = printable(load_of(workload))
    ramp = f" after a ramp of {artifact.ramp_up_seconds} s" if artifact.ramp_up_seconds else ""
    database = "not asked"
    if artifact.runtime.database_engine != UNKNOWN_ENGINE:
        version = artifact.runtime.before.server_version or ""
        database = f"{artifact.runtime.database_engine} {printable(version)}".strip()
    return [
        *build_facts(artifact.subject.git_commit, dirty=artifact.subject.git_dirty),
        Fact("Service", printable(artifact.target_url)),
        Fact("Load", load),
        Fact("Rounds", f"{artifact.rounds} of {artifact.duration_seconds} s{ramp}"),
        Fact("Database", database),
        Fact("Captured", printable(artifact.captured_at)),
    ]


def judged_of(answers: Answers) -> list[Judged]:
    """Return each objective with what was seen of it."""
    judged = [
        Judged(
            name=one.threshold,
            outcome=one.outcome,
            observed=one.observed or "no data",
            limit=one.limit,
            samples=count(one.n),
            note="; ".join(filter(None, (one.where, one.reason))),
        )
        for one in answers.thresholds
    ]
    return judged + [
        Judged(
            name=one.name,
            outcome=one.outcome,
            observed=f"{count(one.bad)} bad of {count(one.events)}",
            limit=one.objective,
            samples=count(one.events),
            note=one.reason,
        )
        for one in answers.slos
    ]


def _objectives(judged: Sequence[Judged], prefix: str) -> Section:
    lead = "" if judged else "Nothing was asked of this run, so nothing can be met."
    return Section(id=f"{prefix}-objectives", title="Objectives", lead=lead, judged=judged)


def _over_time(artifact: StressArtifact, prefix: str) -> Section | None:
    if not artifact.runs:
        return None
    return Section(
        id=f"{prefix}-time",
        title="Over time",
        lead="Rounds stand side by side. A request belongs to the second in which it was due, so a "
        "stalled service shows as high latency there, not as missing requests.",
        charts=[latency_chart(artifact, prefix), rate_chart(artifact, prefix)],
    )


def _by_endpoint(artifact: StressArtifact) -> list[list[Totals]]:
    """Return, for each endpoint, the totals of each round."""
    endpoints = len(artifact.workload.endpoints)
    rounds = [by_endpoint(run, endpoints) for run in artifact.measurements.runs]
    return [[one[position] for one in rounds] for position in range(endpoints)]


def _endpoints(artifact: StressArtifact, prefix: str) -> Section | None:
    if not artifact.runs:
        return None
    rows = []
    for endpoint, rounds in zip(artifact.workload.endpoints, _by_endpoint(artifact), strict=True):
        whole = combined(rounds)
        worst = max(rounds, key=lambda one: one.corrected.quantile(P95_PPM) or 0)
        p50, p95, p99 = worst.corrected.quantiles((P50_PPM, P95_PPM, P99_PPM))
        rows.append(
            [
                printable(endpoint.name),
                count(whole.completed),
                latency(p50),
                latency(p95),
                latency(p99),
                latency(whole.corrected.max_us),
                share(whole.completed - whole.succeeded, whole.completed),
            ]
        )
    columns = ["Endpoint", "Requests", "p50", "p95", "p99", "Slowest", "Failed"]
    table = Table("By endpoint: the worst round of each; nothing is averaged away", columns, rows)
    return Section(id=f"{prefix}-endpoints", title="By endpoint", tables=[table])


def _errors(artifact: StressArtifact, prefix: str) -> Section:
    errors = artifact.results.errors
    if not errors:
        return Section(
            id=f"{prefix}-errors",
            title="Failures",
            lead="No request failed."
            if artifact.results.total_requests
            else "No request was sent.",
        )
    total = artifact.results.total_requests
    rows = [[kind, count(number), share(number, total)] for kind, number in errors.items()]
    return Section(
        id=f"{prefix}-errors",
        title="Failures",
        tables=[Table("Failed requests by kind", ["Kind", "Requests", "Of all"], rows)],
        lines=[printable(line) for line in artifact.results.errors_sample],
    )


def _distribution(
    artifact: StressArtifact, prefix: str, baseline: StressArtifact | None
) -> Section | None:
    if not artifact.results.total_requests:
        return None
    lead = "All rounds together."
    if not artifact.workload.closed_loop:
        lead += " From the intended start is what a user waits; from the send is what the service"
        lead += " itself took. Where they differ, requests queued."
    if baseline is not None:
        lead += f" The baseline is of {printable(baseline.captured_at)}."
    chart = percentile_chart(artifact, prefix, baseline)
    return Section(id=f"{prefix}-distribution", title="Distribution", lead=lead, charts=[chart])


def _generator(artifact: StressArtifact, prefix: str) -> Section:
    worst = artifact.generator.worst
    lead = "The generator was not the limit; its worst over all rounds:"
    if worst.saturated:
        reasons = "; ".join(printable(one) for one in worst.saturated_reasons)
        lead = f"The generator itself was the limit, so this run proves nothing: {reasons}."
    return Section(
        id=f"{prefix}-generator",
        title="The instrument",
        lead=lead,
        facts=[
            Fact("Processor", f"{percent(worst.cpu_busy_ppm / 10_000)} of a core"),
            Fact(
                "Own delay",
                f"{latency(worst.loop_delay_mean_us)} on average, "
                f"p99 {latency(worst.loop_delay_p99_us)}, worst {latency(worst.loop_delay_max_us)}",
            ),
            Fact("Late starts", count(worst.late_starts)),
            Fact("Dropped", f"{count(worst.dropped_iterations)} requests found no free user"),
            Fact("Processes", f"{artifact.generator.workers} on {artifact.generator.cpus} cores"),
        ],
    )


def _provenance(artifact: StressArtifact, prefix: str) -> Section:
    before, runtime = artifact.target.before, artifact.runtime
    facts = [
        Fact("Commit", printable(artifact.subject.git_commit or "unknown")),
        Fact("Profile", printable(artifact.profile)),
        Fact(
            "Written by",
            f"{printable(artifact.runner)} "
            f"({printable(artifact.generator.tool)} {printable(artifact.generator.version)})",
        ),
        Fact("Started", printable(artifact.started_at)),
        Fact("Captured", printable(artifact.captured_at)),
        Fact("Seed", str(artifact.workload.seed)),
    ]
    told = {
        "Instance": before.instance_id,
        "Service's version": before.version,
        "Service's commit": before.git_commit,
        "Database": None
        if runtime.database_engine == UNKNOWN_ENGINE
        else f"{runtime.database_engine}, as {runtime.database_engine_source} has it",
        "Durability": None
        if runtime.before.fsync is None
        else f"fsync {runtime.before.fsync}, "
        f"synchronous_commit {runtime.before.synchronous_commit}",
    }
    facts += [Fact(name, printable(value)) for name, value in told.items() if value is not None]
    if artifact.target.insecure:
        facts.append(Fact("Certificate", "not verified: the service may be anybody's"))
    return Section(id=f"{prefix}-provenance", title="Where this comes from", facts=facts)
