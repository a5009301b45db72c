"""A finished capture on a screen: objectives first, then where the time went, then what failed."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from stressproof.evidence.measurements import Row, RunMeasurements
from stressproof.evidence.results import Results
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.target import UNKNOWN_ENGINE
from stressproof.evidence.workload import AD_HOC, ScenarioRecord, WorkloadRecord
from stressproof.measure.histogram import P95_PPM, Histogram
from stressproof.objectives.evaluating import Answers
from stressproof.outcome import Outcome
from stressproof.quantities import count_of, latency, latency_of_seconds, percent, rate
from stressproof.report.generator_limits import remedies
from stressproof.report.lines import Line
from stressproof.report.sparkline import bars, columns_within

_NAMED = 2
_SAMPLES = 3
_BARS_BESIDE = 42
"""Of the line of a sparkline, beside its bars."""
_FIGURES_WIDTH = 53
"""Of a row of the table by endpoint, beside the endpoint's name."""
_NAME_LEAST = 20


def round_line(run_index: int, rounds: int, results: Results) -> str:
    """Return one round in one line."""
    return (
        f"round {run_index}/{rounds}: {results.total_requests:,} requests, "
        f"{rate(results.throughput_rps)}, "
        f"p50 {latency_of_seconds(results.median_response_time)}, "
        f"p95 {latency_of_seconds(results.p95_response_time)}, "
        f"p99 {latency_of_seconds(results.p99_response_time)}, "
        f"{results.failed_requests:,} failed"
    )


def _worst_error_rate(artifact: StressArtifact) -> float | None:
    rates = [one.error_rate_percent for one in artifact.evaluation.rounds]
    known = [one for one in rates if one is not None]
    return max(known) if known and len(known) == len(rates) else None


def _limit_lines(artifact: StressArtifact) -> Iterator[Line]:
    """Return each limit with what was seen; without a round there is nothing to see."""
    limits, evaluation = artifact.thresholds, artifact.evaluation
    judged = evaluation.rounds
    fewest = min((one.total_requests for one in judged), default=0)

    def line(name: str, seen: str, limit: str, met: list[bool]) -> Line:
        outcome = Outcome.INCONCLUSIVE
        if met:
            outcome = Outcome.PASS if all(met) else Outcome.FAIL
        return Line(f"{name:<11} {seen:>12}   {limit} in every round, n={fewest:,}", outcome)

    if limits.max_p95_seconds is not None:
        seen = latency_of_seconds(evaluation.worst_p95_seconds)
        limit = f"<= {latency_of_seconds(limits.max_p95_seconds)}"
        yield line("p95", seen, limit, [one.meets_p95 for one in judged])
    if limits.max_error_rate_percent is not None:
        seen = percent(_worst_error_rate(artifact))
        limit = f"<= {percent(limits.max_error_rate_percent)}"
        yield line("errors", seen, limit, [one.meets_error_rate for one in judged])
    if limits.min_throughput_rps:
        seen = rate(evaluation.min_throughput_rps if judged else None)
        limit = f">= {rate(limits.min_throughput_rps)}"
        yield line("throughput", seen, limit, [one.meets_throughput for one in judged])


def _sparkline(
    workload: WorkloadRecord, run: RunMeasurements, rounds: int, width: int | None
) -> Line | None:
    """Return how p95 went through a round: from the lowest to the highest of its columns."""
    most = columns_within(width, _BARS_BESIDE)
    columns = _columns(workload.of_requests(run.rows), most)
    values = [_p95(rows) for rows in columns]
    known = [value for value in values if value is not None]
    if not known:
        return None
    of = f"{run.run_index}/{rounds}"
    spread = f"{latency(min(known))} to {latency(max(known))}"
    return Line(f"  p95, round {of}  {bars(values)}  {spread}", quiet=True)


def _columns(rows: Iterable[Row], most: int) -> Iterator[list[Row]]:
    seconds: dict[int, list[Row]] = {}
    for row in rows:
        seconds.setdefault(row.second, []).append(row)
    inside = list(seconds.values())
    wide = max(1, -(-len(inside) // most))
    for at in range(0, len(inside), wide):
        yield [row for second in inside[at : at + wide] for row in second]


def _p95(rows: Sequence[Row]) -> int | None:
    histogram = Histogram()
    histogram.merge_all(row.corrected.parts() for row in rows)
    return histogram.quantile(P95_PPM)


def _endpoint_lines(artifact: StressArtifact, width: int | None) -> Iterator[Line]:
    """Return the slowest round of each endpoint: nothing is averaged away."""
    names = [
        f"  {each.name}" if each.kind == "step" else each.name
        for each in artifact.workload.endpoints
    ]
    longest = max(map(len, names))
    room = longest if width is None else max(_NAME_LEAST, width - _FIGURES_WIDTH)
    wide = min(longest, room)
    yield Line(
        f"  {'endpoint':<{wide}} {'requests':>9} {'p50':>10} {'p95':>10} {'p99':>10} {'failed':>7}",
        quiet=True,
    )
    for position, name in enumerate(names):
        rounds = [run.endpoints[position].results for run in artifact.runs]
        worst = max(rounds, key=lambda one: one.p95_response_time or float("inf"))
        # The end of a path tells endpoints apart, its beginning they share.
        shown = name if len(name) <= wide else "…" + name[len(name) - wide + 1 :]
        yield Line(
            f"  {shown:<{wide}} {sum(one.total_requests for one in rounds):>9,} "
            f"{latency_of_seconds(worst.median_response_time):>10} "
            f"{latency_of_seconds(worst.p95_response_time):>10} "
            f"{latency_of_seconds(worst.p99_response_time):>10} "
            f"{sum(one.failed_requests for one in rounds):>7,}"
        )


def _failure_lines(artifact: StressArtifact) -> Iterator[Line]:
    """Return what failed, with samples and a way to ask the same by hand."""
    errors = artifact.results.errors
    if not errors:
        return
    kinds = ", ".join(f"{kind} x {number:,}" for kind, number in errors.items())
    yield Line(f"  failures: {kinds}")
    for sample in artifact.results.errors_sample[:_SAMPLES]:
        yield Line(f"    e.g. {sample}")
    by_hand = _curl(artifact)
    if by_hand:
        yield Line(f"    by hand: {by_hand}", quiet=True, whole=True)
    if "reset_reused" in errors:
        yield Line(
            "    reset_reused: the service closes idle connections without saying so; raise its "
            "keep-alive timeout, or let it answer with Connection: close"
        )


def _curl(artifact: StressArtifact) -> str:
    """Return what asks the endpoint that failed most; evidence holds no header and no body.

    A flow is no request: one of its steps stands for it, and nothing where no step failed.
    """
    failed = {
        at: sum(run.endpoints[at].results.failed_requests for run in artifact.runs)
        for at, endpoint in enumerate(artifact.workload.endpoints)
        if endpoint.kind != "flow"
    }
    most = max(failed, key=failed.__getitem__, default=None)
    if most is None or not failed[most]:
        return ""
    endpoint = artifact.workload.endpoints[most]
    method = "" if endpoint.method == "GET" else f"-X {endpoint.method} "
    return f"curl -i {method}{shlex.quote(artifact.target_url + endpoint.path)}"


def _connection_lines(artifact: StressArtifact) -> Iterator[Line]:
    """Return over what requests travelled, where that is not one address and plain HTTP/1.1."""
    opened: Counter[str] = Counter()
    protocols = set()
    for run in artifact.runs:
        opened.update(run.connections.opened)
        protocols.add(run.connections.protocol)
    if len(opened) > 1 or protocols - {"http/1.1"}:
        spread = ", ".join(f"{address} x {count:,}" for address, count in sorted(opened.items()))
        yield Line(f"  connections ({', '.join(sorted(protocols))}): {spread}", quiet=True)
    if artifact.target.insecure:
        yield Line("  INSECURE: the service's certificate was not verified; it may be anybody's")


def _headline(artifact: StressArtifact) -> str:
    """Return what was asked, in one line: of whom, how much, for how long."""
    workload = artifact.workload
    asked = artifact.profile
    if asked == AD_HOC:
        more = len(artifact.endpoints) - _NAMED
        asked = ", ".join(artifact.endpoints[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    database = ""
    if artifact.runtime.database_engine != UNKNOWN_ENGINE:
        version = artifact.runtime.before.server_version or ""
        database = f", {artifact.runtime.database_engine} {version}".rstrip()
    return (
        f"{asked} on {artifact.target_url}: {load_of(workload)}, "
        f"{len(artifact.runs)} of {count_of(artifact.rounds, 'round')} of "
        f"{artifact.duration_seconds} s{database}"
    )


def load_of(workload: WorkloadRecord) -> str:
    """Return how much was asked for, scenario by scenario."""
    loads = [_load(scenario) for scenario in workload.scenarios]
    if len(loads) == 1:
        return loads[0]
    named = zip(workload.scenarios, loads, strict=True)
    return "; ".join(f"{scenario.name}: {load}" for scenario, load in named)


def _load(scenario: ScenarioRecord) -> str:
    users = count_of(scenario.max_users, "user")
    if scenario.rate_per_second is None:
        return f"{scenario.executor}, {users}"
    start = "from " if scenario.stages else ""
    return f"{scenario.executor}, {start}{scenario.rate_per_second:g}/s by at most {users}"


def summary(
    artifact: StressArtifact, answers: Answers | None = None, width: int | None = None
) -> list[Line]:
    """Return the whole capture in a screenful.

    Args:
        artifact: What was captured.
        answers: What else was asked of it, judged.
        width: Columns of the terminal; None where nothing needs to fit.
    """
    lines = [Line(_headline(artifact))]
    if artifact.status != "complete":
        lines.append(Line(f"status: {artifact.status.upper()}: this is not release evidence"))
    if artifact.runs:
        lines += _limit_lines(artifact)
    if answers is not None:
        lines += _objective_lines(answers)
    if artifact.runs:
        rounds = [
            _sparkline(artifact.workload, run, artifact.rounds, width)
            for run in artifact.measurements.runs
        ]
        lines += [line for line in rounds if line is not None]
        lines += _endpoint_lines(artifact, width)
        if any(scenario.closed_loop for scenario in artifact.workload.scenarios):
            lines.append(
                Line(
                    "  note: in a closed loop a stalled target is asked less, so a stall weighs "
                    "less here than on users who keep arriving (--executor constant-arrival-rate)",
                    quiet=True,
                )
            )
    lines += _failure_lines(artifact)
    lines += _connection_lines(artifact)
    if artifact.generator.worst.saturated:
        lines.append(Line("the generator itself was the limit:", Outcome.INCONCLUSIVE))
        lines += [Line(f"    {why}") for why in artifact.generator.worst.saturated_reasons]
        lines += [Line(f"    remedy: {what}") for what in remedies(artifact)]
    return lines


def _objective_lines(answers: Answers) -> Iterator[Line]:
    for threshold in answers.thresholds:
        yield Line(_without_word(threshold.sentence, threshold.outcome), threshold.outcome)
    for slo in answers.slos:
        yield Line(_without_word(slo.sentence, slo.outcome), slo.outcome)
        for pair in slo.pairs:
            yield Line(f"  {_without_word(pair.sentence, pair.outcome)}", pair.outcome)


def _without_word(sentence: str, outcome: Outcome) -> str:
    """Return a sentence without the word that its mark says."""
    return sentence.removeprefix(f"{outcome.upper()}  ")
