"""Every figure again, from the measurements, by the functions that the capture used."""

from collections.abc import Iterator
from typing import Any

import msgspec

from stressproof.evidence import derive
from stressproof.evidence.endpoint_names import own_names
from stressproof.evidence.level import Level
from stressproof.evidence.results import Results
from stressproof.evidence.stress import StressArtifact
from stressproof.verify.differences import differences
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import UNSOUND, StressCase

_FORGED = "A figure that does not follow from its measurements is forged; capture again."


def _same(seen: Any, expected: Any, where: str, judgement: Judgement) -> None:
    judgement.passed()
    if seen == expected and type(seen) is type(expected):
        return  # the rule, at the speed of C; what differs is found leaf by leaf
    for path, one, other in differences(seen, expected, where):
        judgement.fail(path, one, other)


@rule(
    "stress.rounds-recomputed",
    clause="evidence.md, Measurements",
    title="Each round's figures, over all and per endpoint, follow from its measurements",
    remedy=_FORGED,
    level=Level.RECOMPUTED,
)
def rounds_recomputed(case: StressCase, judgement: Judgement) -> None:
    """``runs[*]`` equals its recomputation exactly."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    runs = artifact.measurements.runs
    judgement.check(
        len(runs) == len(artifact.runs),
        "measurements.runs",
        prose(f"{len(runs)} rounds measured"),
        len(artifact.runs),
    )
    paths = [endpoint.name for endpoint in artifact.workload.endpoints]
    for place, (run, said) in enumerate(zip(runs, artifact.runs, strict=False)):
        where = f"runs[{place}]"
        _same(said.results, case.recomputed_rounds[place], f"{where}.results", judgement)
        _same(
            said.elapsed_seconds,
            derive.seconds(run.elapsed_us),
            f"{where}.elapsed_seconds",
            judgement,
        )
        _same([one.endpoint for one in said.endpoints], paths, f"{where}.endpoints", judgement)
        parts = case.endpoint_totals[place]
        for endpoint, one in enumerate(said.endpoints[: len(paths)]):
            expected = derive.round_results(parts[endpoint], run.elapsed_us)
            at = f"{where}.endpoints[{endpoint}].results"
            _same(_without_samples(one.results), expected, at, judgement)


def _without_samples(results: Results) -> Results:
    """Texts of errors are not derived; `stress.error-samples` judges them."""
    return msgspec.structs.replace(results, errors_sample=[])


@rule(
    "stress.overall-recomputed",
    clause="protocol 10; protocol 11; protocol 12; evidence.md, Measurements",
    title="The top-level figures and the evaluation follow from the measurements",
    remedy=_FORGED,
    level=Level.RECOMPUTED,
)
def overall_recomputed(case: StressCase, judgement: Judgement) -> None:
    """``results``, ``min_throughput_rps`` and ``evaluation`` equal their recomputation exactly."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    rounds = case.recomputed_rounds
    sample = artifact.results.errors_sample
    whole = derive.overall_results(derive.combined(case.round_totals), rounds, sample)
    _same(artifact.results, whole, "results", judgement)
    _same(artifact.min_throughput_rps, derive.min_rps(rounds), "min_throughput_rps", judgement)
    evaluation = derive.evaluate(rounds, artifact.thresholds)
    _same(artifact.evaluation, evaluation, "evaluation", judgement)
    met = evaluation.overall_meets_targets and not case.broken_off
    _same(artifact.meets_targets, met, "meets_targets", judgement)


@rule(
    "stress.error-samples",
    clause="evidence.md, Measurements",
    title="Samples of errors belong to rounds that had errors, or to the preflight that failed",
    remedy=_FORGED,
    level=Level.RECOMPUTED,
)
def error_samples(case: StressCase, judgement: Judgement) -> None:
    """Top-level samples are those of the rounds; an endpoint without failures has none."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    known = {text for run in artifact.runs for text in run.results.errors_sample}
    whose = "the rounds' own"
    if case.preflight_failed:
        known = {f"{failure.endpoint}: {failure.error}" for failure in artifact.preflight.failures}
        whose = "the preflight's failures"
    unexpected = [text for text in artifact.results.errors_sample if text not in known]
    judgement.check(not unexpected, "results.errors_sample", unexpected, prose(whose))
    for place, run in enumerate(artifact.runs):
        for number, one in enumerate(run.endpoints):
            if one.results.errors_sample and not one.results.failed_requests:
                judgement.fail(
                    f"runs[{place}].endpoints[{number}].results.errors_sample",
                    prose("samples of errors"),
                    prose("none where no request failed"),
                )


@rule(
    "stress.workload-agrees",
    clause="protocol 8; protocol 9; evidence.md, Workload",
    title="The protocol's fields say what the workload, target and runtime say",
    remedy=_FORGED,
    level=Level.RECOMPUTED,
)
def workload_agrees(case: StressCase, judgement: Judgement) -> None:
    """The same fact is the same wherever it stands."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    for where, seen, expected in _twice_stated(artifact):
        _same(seen, expected, where, judgement)


def _twice_stated(artifact: StressArtifact) -> Iterator[tuple[str, Any, Any]]:
    workload, runtime = artifact.workload, artifact.runtime
    yield "duration_seconds", artifact.duration_seconds, int(workload.duration_seconds)
    yield "ramp_up_seconds", artifact.ramp_up_seconds, int(workload.ramp_seconds)
    yield "concurrent_users", artifact.concurrent_users, workload.max_users
    for number, one in enumerate(workload.scenarios):
        if not one.stages:
            yield f"workload.scenarios[{number}].users", one.users, one.max_users
    windows = [one.start_us + round(one.duration_seconds * 1e6) for one in workload.scenarios]
    yield "workload.duration_seconds", round(workload.duration_seconds * 1e6), max(windows)
    ramp_s = max(one.ramp_seconds for one in workload.scenarios)
    yield "workload.ramp_seconds", workload.ramp_seconds, ramp_s
    timeout_us = round(artifact.request_timeout * 1_000_000)
    yield "request_timeout", timeout_us, workload.timeout_us
    yield "endpoints", artifact.endpoints, _as_listed(artifact)
    yield "target_url", artifact.target_url, artifact.target.url
    engine, source = derive.engine_of(runtime.before), derive.engine_source_of(runtime.before)
    yield "runtime.database_engine", runtime.database_engine, engine
    if runtime.before.database_engine is not None:
        yield "runtime.database_engine_source", runtime.database_engine_source, source


def _as_listed(artifact: StressArtifact) -> list[str]:
    """Return the workload's endpoints, each once and by the name of it that ``endpoints`` uses."""
    listed = set(artifact.endpoints)
    names = [own_names(each) for each in artifact.workload.endpoints]
    every = [next((name for name in own if name in listed), own[0]) for own in names]
    return list(dict.fromkeys(every))


RULES = (rounds_recomputed, overall_recomputed, error_samples, workload_agrees)
