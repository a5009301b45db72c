"""A finished capture in words: what was measured, against which limits, and what to do next."""

from collections import Counter

from stressproof.evidence.derive import CPU_LIMIT_PPM
from stressproof.evidence.stress import (
    AD_HOC,
    UNKNOWN_ENGINE,
    Evaluation,
    Results,
    ScenarioRecord,
    StressArtifact,
    WorkloadRecord,
)

_NAMED = 2


def _seconds(value: float | None) -> str:
    """Return a time as people say it, ``no data`` where there is none."""
    if value is None:
        return "no data"
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


def round_line(run_index: int, rounds: int, results: Results) -> str:
    """Return one round in one line."""
    return (
        f"round {run_index}/{rounds}: {results.total_requests:,} requests, "
        f"{results.throughput_rps:,.1f}/s, p50 {_seconds(results.median_response_time)}, "
        f"p95 {_seconds(results.p95_response_time)}, p99 {_seconds(results.p99_response_time)}, "
        f"{results.failed_requests:,} failed"
    )


def _objective(name: str, seen: str, limit: str, *, met: bool) -> str:
    return f"  {'ok  ' if met else 'FAIL'} {name:<12} {seen:>12}   limit {limit}"


def _objectives(evaluation: Evaluation, artifact: StressArtifact) -> list[str]:
    limits = artifact.thresholds
    judged = evaluation.rounds
    rates = [one.error_rate_percent for one in judged]
    worst_rate = None if not rates or None in rates else max(r for r in rates if r is not None)
    lines = []
    if limits.max_p95_seconds is not None:
        lines.append(
            _objective(
                "p95",
                _seconds(evaluation.worst_p95_seconds),
                f"<= {limits.max_p95_seconds:g} s in every round",
                met=bool(judged) and all(one.meets_p95 for one in judged),
            )
        )
    if limits.max_error_rate_percent is not None:
        lines.append(
            _objective(
                "errors",
                "no data" if worst_rate is None else f"{worst_rate:.3g} %",
                f"<= {limits.max_error_rate_percent:g} % in every round",
                met=bool(judged) and all(one.meets_error_rate for one in judged),
            )
        )
    if limits.min_throughput_rps:
        lines.append(
            _objective(
                "throughput",
                f"{evaluation.min_throughput_rps:,.1f}/s" if judged else "no data",
                f">= {limits.min_throughput_rps:g}/s in every round",
                met=bool(judged) and all(one.meets_throughput for one in judged),
            )
        )
    return lines


def _endpoint_lines(artifact: StressArtifact) -> list[str]:
    """Return the slowest round of each endpoint: nothing is averaged away."""
    lines = [f"  {'endpoint':<44} {'requests':>9} {'p50':>9} {'p95':>9} {'p99':>9} {'failed':>7}"]
    for position, endpoint in enumerate(artifact.workload.endpoints):
        path = f"  {endpoint.name}" if endpoint.kind == "step" else endpoint.name
        rounds = [run.endpoints[position].results for run in artifact.runs]
        worst = max(rounds, key=lambda one: one.p95_response_time or float("inf"))
        lines.append(
            f"  {path:<44} {sum(one.total_requests for one in rounds):>9,} "
            f"{_seconds(worst.median_response_time):>9} {_seconds(worst.p95_response_time):>9} "
            f"{_seconds(worst.p99_response_time):>9} "
            f"{sum(one.failed_requests for one in rounds):>7,}"
        )
    return lines


def _connection_lines(artifact: StressArtifact) -> list[str]:
    """Return over what requests travelled, where that is not one address and plain HTTP/1.1."""
    lines = []
    opened: Counter[str] = Counter()
    protocols = set()
    for run in artifact.runs:
        if run.connections is not None:
            opened.update(run.connections.opened)
            protocols.add(run.connections.protocol)
    if len(opened) > 1 or protocols - {"http/1.1"}:
        spread = ", ".join(f"{address} x {count:,}" for address, count in sorted(opened.items()))
        lines.append(f"  connections ({', '.join(sorted(protocols))}): {spread}")
    if artifact.target.insecure:
        lines.append("  INSECURE: the service's certificate was not verified; it may be anybody's")
    return lines


def remedies(artifact: StressArtifact) -> list[str]:
    """Return what lets the generator do more, for each limit that it met."""
    health = artifact.generator.worst
    workload = artifact.workload
    told = []
    if health.cpu_busy_ppm >= CPU_LIMIT_PPM:
        more = workload.workers < artifact.generator.cpus
        told.append(
            f"more processes (--workers {artifact.generator.cpus})"
            if more
            else "fewer and shorter headers and checks, or another machine beside this one"
        )
    if any(why.startswith("event loop") for why in health.saturated_reasons):
        told.append("a machine, or a core, on which nothing else runs")
    if any("for want of users" in why for why in health.saturated_reasons):
        told.append(f"raise --max-vus (it was {workload.max_users:,})")
    if health.file_limit_hits:
        told.append("raise the limit of open files (ulimit -Hn)")
    if health.port_limit_hits:
        told.append("let the service keep connections open, or use another machine as well")
    return told


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
        f"{len(artifact.runs)} of {artifact.rounds} rounds of {artifact.duration_seconds} s"
        f"{database}"
    )


def load_of(workload: WorkloadRecord) -> str:
    """Return how much was asked for, scenario by scenario."""
    loads = [_load(scenario) for scenario in workload.scenarios]
    if len(loads) == 1:
        return loads[0]
    named = zip(workload.scenarios, loads, strict=True)
    return "; ".join(f"{scenario.name}: {load}" for scenario, load in named)


def _load(scenario: ScenarioRecord) -> str:
    users = f"{scenario.max_users} users"
    if scenario.rate_per_second is None:
        return f"{scenario.executor}, {users}"
    start = "from " if scenario.stages else ""
    return f"{scenario.executor}, {start}{scenario.rate_per_second:g}/s by at most {users}"


def summary(artifact: StressArtifact) -> str:
    """Return the whole capture in a screenful."""
    lines = [_headline(artifact)]
    if artifact.status != "complete":
        lines.append(f"status: {artifact.status.upper()}: this is not release evidence")
    if artifact.runs:
        lines += _endpoint_lines(artifact)
        lines += _objectives(artifact.evaluation, artifact)
        if any(scenario.closed_loop for scenario in artifact.workload.scenarios):
            lines.append(
                "  note: in a closed loop a stalled target is asked less, so a stall weighs less "
                "here than on users who keep arriving (--executor constant-arrival-rate)"
            )
    errors = artifact.results.errors
    if errors:
        lines.append(
            "  failures: " + ", ".join(f"{kind} x {count:,}" for kind, count in errors.items())
        )
        lines += [f"    e.g. {line}" for line in artifact.results.errors_sample[:3]]
    if "reset_reused" in errors:
        lines.append(
            "    reset_reused: the service closes idle connections without saying so; raise its "
            "keep-alive timeout, or let it answer with Connection: close"
        )
    lines += _connection_lines(artifact)
    if artifact.generator.worst.saturated:
        lines.append("  INCONCLUSIVE: the generator itself was the limit:")
        lines += [f"    {why}" for why in artifact.generator.worst.saturated_reasons]
        lines += [f"    remedy: {what}" for what in remedies(artifact)]
    return "\n".join(lines)
