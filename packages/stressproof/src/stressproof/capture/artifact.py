"""From what was measured and probed to the stress artifact."""

import os
import platform
import socket
from collections.abc import Sequence

from msgspec import Struct

from stressproof.capture.counters import Counters, counter_pairs
from stressproof.capture.plan import Plan
from stressproof.capture.probe import Health
from stressproof.evidence import derive
from stressproof.evidence.fields import Status
from stressproof.evidence.generator import GeneratorRecord
from stressproof.evidence.measurements import Measurements, RunMeasurements
from stressproof.evidence.preflight import Preflight
from stressproof.evidence.results import EndpointResults
from stressproof.evidence.run_clock import RunClock
from stressproof.evidence.stress import Run, StressArtifact
from stressproof.evidence.target import Runtime, Subject, Target
from stressproof.evidence.versions import SCHEMA_VERSION
from stressproof.evidence.workload import WorkloadEndpoint, WorkloadFile
from stressproof.load.run import RoundResult
from stressproof.suite import HealthProbe
from stressproof.version import __version__


class Probes(Struct, frozen=True):
    """One reading of everything that the target says of itself."""

    health: Health
    counters: Counters | None
    limits: dict[str, int] | None


def endpoint_results(
    endpoints: Sequence[WorkloadEndpoint], measured: RunMeasurements
) -> list[EndpointResults]:
    """Return the figures of each endpoint over one round."""
    totals = derive.by_endpoint(measured, len(endpoints))
    return [
        EndpointResults(endpoint.name, derive.round_results(of_endpoint, measured.elapsed_us))
        for endpoint, of_endpoint in zip(endpoints, totals, strict=True)
    ]


def finish_run(
    endpoints: Sequence[WorkloadEndpoint],
    result: RoundResult,
    measured: RunMeasurements,
    clock: RunClock,
) -> Run:
    """Return a round's record with its figures, stamped now."""
    totals = derive.by_endpoint(measured, len(endpoints))
    elapsed_us = measured.elapsed_us
    return Run(
        run_index=measured.run_index,
        started_at=clock.at(result.started_ns),
        ended_at=clock.at(result.started_ns + elapsed_us * 1000),
        captured_at=clock.now(),
        elapsed_seconds=derive.seconds(elapsed_us) or 0.0,
        results=derive.round_results(
            derive.of_requests(totals, endpoints),
            elapsed_us,
            [str(sample) for sample in result.errors_sample],
        ),
        endpoints=endpoint_results(endpoints, measured),
        generator=result.health,
        connections=result.connections,
    )


def _runtime(health: HealthProbe | None, before: Probes, after: Probes | None) -> Runtime:
    first = before.health.runtime
    readings = [before.health, *([after.health] if after else [])]
    return Runtime(
        health_endpoint=health.path if health else "",
        database_engine=derive.engine_of(first),
        database_engine_source=derive.engine_source_of(first),
        before=first,
        after=after.health.runtime if after else None,
        limits=before.limits,
        unsafe=sorted({name for reading in readings for name in reading.unsafe}),
    )


def _generator(plan: Plan, runs: Sequence[Run]) -> GeneratorRecord:
    return GeneratorRecord(
        tool="stressproof",
        version=__version__,
        python=platform.python_version(),
        host=socket.gethostname(),
        cpus=os.cpu_count() or 1,
        workers=plan.workers,
        worst=derive.worst_health([run.generator for run in runs]),
    )


def assemble(
    plan: Plan,
    *,
    status: Status,
    started_at: str,
    clock: RunClock,
    subject: Subject,
    preflight: Preflight,
    before: Probes,
    after: Probes | None,
    runs: Sequence[Run],
    measured: Sequence[RunMeasurements],
    steps: Sequence[WorkloadEndpoint] = (),
    files: Sequence[WorkloadFile] = (),
) -> StressArtifact:
    """Return the whole artifact; every figure in it is derived here from the measurements.

    Args:
        plan: What was asked for.
        status: How the capture ended; anything but ``complete`` never meets its targets.
        started_at: When the capture began, in RFC 3339.
        clock: What told the time; it tells now when the artifact was complete.
        subject: The build it is about.
        preflight: What the checks before the load found.
        before: What the target said before the load.
        after: What it said after; None where the capture did not come that far.
        runs: The rounds that were measured, in their order.
        measured: Their measurements.
        steps: What flows turned out to ask.
        files: What they turned out to be read from.
    """
    workload = plan.record(steps, files)
    endpoints = workload.endpoints
    totals = derive.combined(
        derive.of_requests(derive.by_endpoint(run, len(endpoints)), endpoints) for run in measured
    )
    rounds = [run.results for run in runs]
    evaluation = derive.evaluate(rounds, plan.thresholds)
    sample = [line for run in runs for line in run.results.errors_sample]
    if status == "preflight_failed":
        sample = [f"{failure.endpoint}: {failure.error}" for failure in preflight.failures]
    return StressArtifact(
        schema_version=SCHEMA_VERSION,
        profile=plan.profile,
        runner=plan.runner,
        status=status,
        started_at=started_at,
        captured_at=clock.now(),
        clock=clock.record(),
        target_url=plan.url,
        endpoints=list(dict.fromkeys(endpoint.name for endpoint in endpoints)),
        duration_seconds=int(plan.duration_seconds),
        concurrent_users=plan.max_users,
        ramp_up_seconds=int(plan.ramp_seconds),
        rounds=plan.rounds,
        request_timeout=derive.seconds(plan.timeout_us) or 0.0,
        preflight=preflight,
        runtime=_runtime(plan.probes.health, before, after),
        subject=subject,
        target=Target(
            url=plan.url,
            before=before.health.target,
            after=after.health.target if after else None,
            counters=counter_pairs(endpoints, before.counters, after.counters if after else None),
            insecure=plan.connecting.insecure,
            name=plan.target_name,
        ),
        workload=workload,
        generator=_generator(plan, runs),
        thresholds=plan.thresholds,
        results=derive.overall_results(totals, rounds, sample),
        runs=list(runs),
        min_throughput_rps=evaluation.min_throughput_rps,
        evaluation=evaluation,
        meets_targets=status == "complete" and evaluation.overall_meets_targets,
        measurements=Measurements(resolution_seconds=plan.resolution_seconds, runs=list(measured)),
    )
