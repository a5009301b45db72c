"""Endpoints by themselves: the profile's own, each within the limits, the ramp no dustbin."""

from collections.abc import Sequence

from stressproof.config.stress_requirements import WorkloadAsked
from stressproof.evidence import derive
from stressproof.evidence.derive import Totals
from stressproof.evidence.level import Level
from stressproof.evidence.measurements import RampRow, Row
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.workload import ScenarioRecord, WorkloadEndpoint
from stressproof.exits import Exit
from stressproof.measure.histogram import P95_PPM, SAMPLES_FOR
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import UNSOUND, StressCase
from stressproof.verify.stress.objectives import judge_answers, judge_errors

_SLOW = "Make the service meet its limits on every endpoint, then capture again."
_LEAST = SAMPLES_FOR[P95_PPM]
_US_PER_S = 1_000_000


@rule(
    "stress.profile-by-value",
    clause="evidence.md, The profile by value (requirement profile_endpoints)",
    title="The load holds the profile's endpoints as the suite defines them",
    remedy="Capture with the profile of the suite at the commit that is judged.",
    level=Level.RECOMPUTED,
)
def profile_by_value(case: StressCase, judgement: Judgement) -> None:
    """Method, path, weight, expected statuses and check of each; more endpoints are more work."""
    artifact = case.artifact
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    wanted = case.requirements.profile_endpoints
    if not wanted:
        judgement.skip("no profile was asked for by value; the gates of a suite ask for its own")
        return
    loaded = {_identity(each): each for each in artifact.workload.endpoints}
    for endpoint in wanted:
        seen = loaded.get(_identity(endpoint))
        if seen is None:
            judgement.fail("workload.endpoints", prose("not there"), endpoint.name)
            continue
        for name in _BY_VALUE:
            one, other = getattr(seen, name), getattr(endpoint, name)
            judgement.check(
                one == other, f"workload.endpoints ({endpoint.name}).{name}", one, other
            )
    if case.requirements.profile_workload is not None:
        _workload_by_value(artifact, case.requirements.profile_workload, judgement)
    if case.requirements.profile_scenarios:
        _scenarios_by_value(artifact, case.requirements.profile_scenarios, judgement)


def _workload_by_value(
    artifact: StressArtifact, asked: WorkloadAsked, judgement: Judgement
) -> None:
    told = artifact.workload
    for where, seen, wanted in (
        ("rounds", artifact.rounds, asked.rounds),
        ("workload.pause_seconds", told.pause_seconds, asked.pause_seconds),
        ("workload.timeout_us", told.timeout_us, asked.timeout_us),
        ("workload.seed", told.seed, told.seed if asked.seed is None else asked.seed),
    ):
        judgement.check(seen == wanted, where, seen, wanted)


def _scenarios_by_value(
    artifact: StressArtifact, asked: Sequence[ScenarioRecord], judgement: Judgement
) -> None:
    scenarios = {one.name: one for one in artifact.workload.scenarios}
    for scenario in asked:
        found = scenarios.pop(scenario.name, None)
        where = f"workload.scenarios ({scenario.name})"
        if found is None:
            judgement.fail(where, prose("not there"), scenario.name)
            continue
        for name in scenario.__struct_fields__:
            one, other = getattr(found, name), getattr(scenario, name)
            judgement.check(one == other, f"{where}.{name}", prose(f"{one}"), prose(f"{other}"))
    more = sorted(scenarios)
    judgement.check(not more, "workload.scenarios", more, prose("the profile's alone"))


_BY_VALUE = ("weight", "expected_statuses", "checks", "timeout_us", "definition_sha256")


def _identity(endpoint: WorkloadEndpoint) -> tuple[str, ...]:
    return endpoint.scenario, endpoint.kind, endpoint.method, endpoint.path, endpoint.flow or ""


@rule(
    "stress.endpoint-targets",
    clause="protocol 9; protocol 12; evidence.md, The profile by value",
    title="Every required endpoint meets p95 and error rate by itself, in every round",
    remedy=_SLOW,
    exit_code=Exit.OBJECTIVES,
    level=Level.RECOMPUTED,
)
def endpoint_targets(case: StressCase, judgement: Judgement) -> None:
    """Other endpoints dilute nothing; too few answers of a round are judged with the others'."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    required = {number for places in case.required_places.values() for number in places}
    if not required:
        judgement.skip("no endpoint of the load is a required one")
    allowed = case.requirements.max_error_rate_percent
    # One failure of sixty is no share of one in sixty: fewer than can tell are judged together.
    least = max(_LEAST, 100 / allowed if allowed else 0)
    for number in sorted(required):
        endpoint = artifact.workload.endpoints[number]
        parts = [totals[number] for totals in case.endpoint_totals]
        if any(one.corrected.n < least for one in parts):
            parts = [derive.combined(parts)]
        for place, totals in enumerate(parts):
            where = (
                f"measurements.runs[{place}] ({endpoint.name})"
                if len(parts) > 1
                else (f"measurements ({endpoint.name})")
            )
            _judge(where, totals, case, judgement, flow=endpoint.kind == "flow")


def _judge(
    where: str, totals: Totals, case: StressCase, judgement: Judgement, *, flow: bool
) -> None:
    n = totals.corrected.n
    if flow:
        # Its time is its user's, who thinks; a threshold on iteration_duration is about that.
        judge_errors(where, derive.results(totals, 0.0), case.requirements, judgement)
        return
    if n < _LEAST:
        judgement.inconclusive(
            where,
            prose(f"{n} samples"),
            prose(f"at least {_LEAST} for a p95"),
            "Capture longer, or with more users or a higher rate.",
        )
        return
    # How many requests came is the round's affair, so the rate is not judged.
    judge_answers(where, derive.results(totals, 0.0), case.requirements, judgement)


@rule(
    "stress.ramp-targets",
    clause="protocol 12; evidence.md, Time",
    title="No round meets its limits only by what its ramp left out",
    remedy=_SLOW,
    exit_code=Exit.OBJECTIVES,
    level=Level.RECOMPUTED,
)
def ramp_targets(case: StressCase, judgement: Judgement) -> None:
    """Ramp and window together are within the limits of latency and errors, too."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    for place, (run, window) in enumerate(
        zip(artifact.measurements.runs, case.round_totals, strict=True)
    ):
        outside = [
            row
            for row in (*run.ramp, *run.tail)
            if row.endpoint < len(artifact.workload.endpoints)
            and not artifact.workload.is_flow(row.endpoint)
        ]
        whole = derive.combined([window, _of_ramp(outside)])
        if whole.corrected.n >= _LEAST:
            where, figures = f"measurements.runs[{place}]", derive.results(whole, 0.0)
            judge_answers(where, figures, case.requirements, judgement)


def _of_ramp(ramp: Sequence[RampRow]) -> Totals:
    """Return a ramp's rows added up, as if it had been measured."""
    return Totals().add(
        Row(
            endpoint=one.endpoint,
            second=0,
            intended=one.started,
            started=one.started,
            late=0,
            dropped=0,
            outcomes=one.outcomes,
            corrected=one.corrected,
        )
        for one in ramp
    )


@rule(
    "stress.repeated-rows",
    clause="protocol 6; evidence.md, Measurements",
    title="No second of a round repeats the answers of another",
    remedy="Run every round; a copied second proves nothing.",
    level=Level.RECOMPUTED,
)
def repeated_rows(case: StressCase, judgement: Judgement) -> None:
    """Chance repeats no histogram of many different answers to the microsecond."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    seen: dict[tuple[object, ...], tuple[str, list[int]]] = {}
    for place, run in enumerate(artifact.measurements.runs):
        for number, row in enumerate(run.rows):
            latency = row.corrected
            if len(latency.buckets) < 2 * _DIFFERENT:
                continue
            where = f"measurements.runs[{place}].rows[{number}]"
            key = latency.n, latency.sum_us, latency.min_us, latency.max_us
            before, buckets = seen.setdefault(key, (where, latency.buckets))
            if buckets != latency.buckets:
                continue
            judgement.check(
                before == where, where, prose(f"the answers of {before}"), prose("its own")
            )
    _copied_rounds(case, judgement)


_DIFFERENT = 12
"""Buckets that a row must fill before chance cannot repeat it with its exact sum."""


def _copied_rounds(case: StressCase, judgement: Judgement) -> None:
    """Rows of few answers are told by their number: half of a round's cannot be another's."""
    artifact = case.computable
    if artifact is None:
        return
    kept: dict[tuple[object, ...], int] = {}
    for place, run in enumerate(artifact.measurements.runs):
        told = repeated = 0
        own: list[tuple[object, ...]] = []
        for row in run.rows:
            latency = row.corrected
            # Of answers below a few milliseconds, one or two may well be the same by chance.
            if not latency.n or (latency.max_us or 0) < _TELLING_US:
                continue
            figures = latency.n, latency.sum_us, latency.min_us, latency.max_us
            told_by: tuple[object, ...] = (row.endpoint, *figures)
            told += 1
            repeated += kept.get(told_by, place) != place
            own.append(told_by)
        for key in own:
            kept.setdefault(key, place)
        judgement.check(
            repeated * 2 <= told or told < _ROWS_TOLD,
            f"measurements.runs[{place}].rows",
            prose(f"{repeated} of {told} rows as in a round before"),
            prose("rows of its own"),
        )


_TELLING_US = 5_000
_ROWS_TOLD = 10


RULES = (profile_by_value, endpoint_targets, ramp_targets, repeated_rows)
