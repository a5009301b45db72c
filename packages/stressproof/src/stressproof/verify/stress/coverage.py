"""Enough was measured, by an instrument that was not itself the limit."""

from stressproof.evidence import derive
from stressproof.evidence.derive import Totals
from stressproof.evidence.endpoint_names import own_names
from stressproof.evidence.generator import GeneratorHealth
from stressproof.evidence.level import Level
from stressproof.evidence.workload import WorkloadEndpoint, WorkloadRecord
from stressproof.measure.histogram import P95_PPM, SAMPLES_FOR
from stressproof.verify.differences import differences
from stressproof.verify.instrument import judge_instrument
from stressproof.verify.lenient_decoder import ITEMS_MAX
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import UNSOUND, StressCase
from stressproof.workload.limits import MAX_WEIGHT
from stressproof.workload.order import MAX_PASS, pass_length

_CPU_MOST_PPM = 1_100_000  # one core, read by two clocks
_OUTSIDE_S = 60  # the ramp, and the last answers
_LEAST_RSS_BYTES = 4_000_000  # no Python process is smaller
_MOST_RSS_BYTES = 2**44
_LEAST_CPU_US = 1  # of a request; ours takes five
_SUCCESS = range(200, 300)


@rule(
    "stress.samples",
    clause="evidence.md, Percentiles",
    title="The p95 of every round rests on enough samples",
    remedy="Capture longer, or with more users or a higher rate.",
    level=Level.RECOMPUTED,
)
def samples(case: StressCase, judgement: Judgement) -> None:
    """Below 59 samples a p95 has no upper bound at 95 % confidence: nothing can be said."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    least = SAMPLES_FOR[P95_PPM]
    for place, totals in enumerate(case.round_totals):
        n = totals.completed
        if n >= least:
            judgement.passed()
        else:
            judgement.inconclusive(
                f"measurements.runs[{place}]",
                prose(f"{n} samples"),
                prose(f"at least {least} for a p95"),
            )


@rule(
    "stress.endpoint-successes",
    clause="protocol 9; evidence.md, Percentiles (requirement min_endpoint_successes)",
    title="Every required endpoint succeeded in every round",
    remedy="Make the endpoint work under load; one that never succeeds was not tested.",
    level=Level.RECOMPUTED,
)
def endpoint_successes(case: StressCase, judgement: Judgement) -> None:
    """Successes are counted per endpoint, so that no other endpoint can hide a dead one."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    runs = artifact.measurements.runs
    least = case.requirements.min_endpoint_successes
    for name, places in case.required_places.items():
        for place, run in enumerate(runs):
            good = sum(row.outcomes.get("ok", 0) for row in run.rows if row.endpoint in places)
            judgement.check(
                good >= least,
                f"measurements.runs[{place}]",
                prose(f"{good} successes of {name}"),
                prose(f"at least {least}"),
            )


@rule(
    "stress.endpoint-definitions",
    clause="protocol 9; evidence.md, Workload",
    title="Endpoints were expected to succeed; required ones were asked by the method required "
    "(a bare path by GET), and their answers checked",
    remedy="Capture with the suite's --profile: it defines what counts as an answer.",
    level=Level.RECOMPUTED,
)
def endpoint_definitions(case: StressCase, judgement: Judgement) -> None:
    """An error that was expected is no success, and a name is no path."""
    artifact = case.artifact
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    endpoints = artifact.workload.endpoints
    _few_enough(artifact.workload, judgement)
    scenarios = {scenario.name for scenario in artifact.workload.scenarios}
    defined = {one.name for one in case.requirements.profile_endpoints}
    for number, endpoint in enumerate(endpoints):
        where = f"workload.endpoints[{number}]"
        required = [name for name, places in case.required_places.items() if number in places]
        own = own_names(endpoint)
        judgement.check(
            endpoint.name in own, f"{where}.name", endpoint.name, prose(" or ".join(own))
        )
        weight, step = endpoint.weight, endpoint.kind == "step"
        judgement.check(
            weight == 0 if step else 1 <= weight <= MAX_WEIGHT,
            f"{where}.weight",
            weight,
            prose("0 of a step" if step else f"1 to {MAX_WEIGHT}"),
        )
        fits = bool(endpoint.method) is (endpoint.kind != "flow")
        seen = endpoint.method
        judgement.check(fits, f"{where}.method", seen, prose("a method, and none of a flow"))
        known = endpoint.scenario in scenarios
        judgement.check(
            known, f"{where}.scenario", endpoint.scenario, prose(" or ".join(sorted(scenarios)))
        )
        if endpoint.path in required:
            judgement.check(endpoint.method == "GET", f"{where}.method", endpoint.method, "GET")
        # What the profile that is asked for defines, stress.profile-by-value compares.
        if endpoint.kind != "request" or endpoint.name in defined:
            continue
        _statuses(endpoint, where, judgement)
        if required:
            judgement.check(
                bool(endpoint.checks), f"{where}.checks", [], prose("a check of the answer")
            )


def _few_enough(workload: WorkloadRecord, judgement: Judgement) -> None:
    """No more than the generator takes, with weights that it can make an order of."""
    count = len(workload.endpoints)
    most = ITEMS_MAX
    seen = prose(f"{count} endpoints")
    judgement.check(1 <= count <= most, "workload.endpoints", seen, prose(f"1 to {most}"))
    by_scenario: dict[str, list[int]] = {}
    for endpoint in workload.endpoints:
        if endpoint.kind != "step":
            by_scenario.setdefault(endpoint.scenario, []).append(endpoint.weight)
    for weights in by_scenario.values():
        if min(weights) > 0:
            length = pass_length(weights)
            judgement.check(
                length <= MAX_PASS,
                "workload.endpoints",
                prose(f"weights of {length} requests in one pass"),
                prose(f"at most {MAX_PASS}"),
            )


def _statuses(endpoint: WorkloadEndpoint, where: str, judgement: Judgement) -> None:
    statuses = endpoint.expected_statuses
    good = bool(statuses) and all(status in _SUCCESS for status in statuses)
    judgement.check(good, f"{where}.expected_statuses", statuses, prose("2xx only"))


@rule(
    "stress.generator-recomputed",
    clause="evidence.md, Generator",
    title="What the generator says of itself follows from the rounds and rows",
    remedy="A figure that does not follow from its measurements is forged; capture again.",
    level=Level.RECOMPUTED,
)
def generator_recomputed(case: StressCase, judgement: Judgement) -> None:
    """Late and dropped starts are the rows', saturation follows, and the worst is the worst."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    runs = artifact.measurements.runs
    for place, (run, said) in enumerate(zip(runs, artifact.runs, strict=False)):
        where, health = f"runs[{place}].generator", said.generator
        for name, seen, expected in (
            ("late_starts", health.late_starts, sum(row.late for row in run.rows)),
            ("dropped_iterations", health.dropped_iterations, sum(row.dropped for row in run.rows)),
        ):
            judgement.check(seen == expected, f"{where}.{name}", seen, expected)
        reasons = _saturated_by(health, case.round_totals[place])
        judgement.check(
            health.saturated == bool(reasons), f"{where}.saturated", health.saturated, bool(reasons)
        )
        judgement.check(
            health.saturated_reasons == reasons,
            f"{where}.saturated_reasons",
            health.saturated_reasons,
            reasons,
        )
    workers = max(artifact.workload.workers, 1)
    for place, said in enumerate(artifact.runs):
        where = f"runs[{place}].generator"
        _possible(said.generator, said.elapsed_seconds, where, judgement)
        # The busiest worker has sent its share, and no request costs less.
        busy_us = said.generator.cpu_busy_ppm * said.elapsed_seconds
        least_us = said.results.total_requests // workers * _LEAST_CPU_US
        judgement.check(
            busy_us >= least_us,
            f"{where}.cpu_busy_ppm",
            prose(f"{busy_us:.0f} µs of a processor"),
            prose(f"at least {least_us}, for {said.results.total_requests} requests"),
        )
    worst = derive.worst_health([run.generator for run in artifact.runs])
    judgement.passed()
    for path, seen, expected in differences(artifact.generator.worst, worst, "generator.worst"):
        judgement.fail(path, seen, expected)


def _saturated_by(health: GeneratorHealth, totals: Totals) -> list[str]:
    """Return why a round's generator may have been the limit; failures wait as successes do."""
    return derive.saturation_reasons(health, totals.corrected.mean_us, totals.completed)


def _possible(health: GeneratorHealth, elapsed_s: float, where: str, judgement: Judgement) -> None:
    """What a generator says of itself is physically possible."""
    for name, most in (
        ("cpu_busy_ppm", _CPU_MOST_PPM),
        ("loop_delay_p99_us", health.loop_delay_max_us),
        ("gc_pause_max_us", round((elapsed_s + _OUTSIDE_S) * 1_000_000)),
        ("loop_delay_max_us", round((elapsed_s + _OUTSIDE_S) * 1_000_000)),
    ):
        seen = getattr(health, name)
        judgement.check(seen <= most, f"{where}.{name}", seen, prose(f"at most {most}"))
    # One in a hundred was as late as the p99, and one as the worst.
    mean, p99, worst = (getattr(health, f"loop_delay_{one}_us") for one in ("mean", "p99", "max"))
    least, most = p99 * 999 // 100_000, p99 + (worst - p99) // 100
    judgement.check(
        least <= mean <= most, f"{where}.loop_delay_mean_us", mean, prose(f"{least} to {most}")
    )
    least, most, rss = _LEAST_RSS_BYTES, _MOST_RSS_BYTES, health.rss_bytes
    judgement.check(least <= rss <= most, f"{where}.rss_bytes", rss, prose(f"{least} to {most}"))


@rule(
    "stress.generator",
    clause="evidence.md, Generator",
    title="The generator is ours, on a machine that there can be",
    remedy="Capture with this tool; nobody else writes its evidence.",
    level=Level.RECOMPUTED,
)
def generator(case: StressCase, judgement: Judgement) -> None:
    """Tool, version, interpreter and processors are told."""
    if case.artifact is None:
        judgement.skip(UNSOUND)
        return
    judge_instrument("generator", case.artifact.generator, judgement)


@rule(
    "stress.saturated",
    clause="evidence.md, Generator",
    title="The service was the limit, not the generator",
    remedy="Give the generator its own cores or machine, or ask for less, then capture again.",
    level=Level.RECOMPUTED,
)
def saturated(case: StressCase, judgement: Judgement) -> None:
    """A saturated generator measures itself, so nothing can be said about the service."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    for place, (totals, said) in enumerate(zip(case.round_totals, artifact.runs, strict=False)):
        reasons = _saturated_by(said.generator, totals)
        if reasons:
            judgement.inconclusive(
                f"runs[{place}].generator", prose("; ".join(reasons)), prose("a generator at ease")
            )
        else:
            judgement.passed()


RULES = (
    samples,
    endpoint_successes,
    endpoint_definitions,
    generator,
    generator_recomputed,
    saturated,
)
