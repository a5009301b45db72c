"""What a file's profiles would send and what its gate asks, line by line: for ``check``."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from stressproof.capture.credentials import find
from stressproof.capture.file_plan import plan_file
from stressproof.capture.workload import build_workload
from stressproof.cli.capture_plan import DEFAULT_URL
from stressproof.cli.check_once import workload_of
from stressproof.config.compile import Project
from stressproof.config.environment import texts_in, unset_in
from stressproof.config.file_suite import file_requirements
from stressproof.config.stress_requirements import RUNNER, StressRequirements
from stressproof.measure.histogram import P95_PPM, SAMPLES_FOR
from stressproof.quantities import count_of
from stressproof.report.workload_text import (
    data_lines,
    load_lines,
    target_lines,
    workload_lines,
)
from stressproof.workload.data import Data, demand_columns
from stressproof.workload.rates import US_PER_S, duration_text
from stressproof.workload.workload import Workload


def sent_lines(
    project: Project, file: Path | None, profile: str | None, target: str | None, url: str | None
) -> Sequence[str]:
    """Return what would be sent: of one profile, or of all that the file has.

    Args:
        project: What the file says.
        file: Which it is, that of the working directory if None.
        profile: One of the file or of the suite; all of the file's if None.
        target: Which of the file's; the main one if None.
        url: The service; the target's if None.

    Raises:
        UsageError: Something of it cannot be meant.
    """
    profiles = project.plan.profiles
    if profile is not None and profile not in profiles:
        return list(workload_lines(workload_of(file, profile, target, url)))
    names = list(profiles) if profile is None else [profile]
    workloads = [_workload(project, name, target or "", url) for name in names]
    for name, workload in zip(names, workloads, strict=True):
        _demand_meant(project, name, workload)
    lines = [*target_lines(workloads[0].target)]
    for name, workload in zip(names, workloads, strict=True):
        load = profiles[name]
        rounds = f", {load.rounds} rounds" if load.rounds > 1 else ""
        pause = f" with {load.pause} between" if load.rounds > 1 and load.pause else ""
        lines += [f"profile {name}{rounds}{pause}", *(f"  {one}" for one in load_lines(workload))]
    return [*lines, *data_lines(workloads[0])]


def _workload(project: Project, profile: str, target: str, url: str | None) -> Workload:
    """Return what is sent in a first round; what only a capture needs may not be set yet."""
    plan = project.plan
    table = msgspec.structs.replace(plan.target_of(target), url=None)  # to whom must be known
    said = msgspec.to_builtins([table, plan.profiles[profile]])
    unset = {
        name: f"${{{name}}}"
        for _, text in texts_in(said, ())
        for name in unset_in(text, os.environ)
    }
    made = plan_file(
        project,
        profile,
        unset | os.environ,
        runner=RUNNER,
        target=target,
        url=url,
        default_url=DEFAULT_URL,
    )
    return build_workload(made, find(made.url, os.environ, made.local_service))


def _demand_meant(project: Project, profile: str, workload: Workload) -> None:
    """Refuse placeholders that mean nothing, and too few rows, before anything is sent.

    Raises:
        UsageError: What a profile asks cannot be composed.
    """
    failures = () if project.failures is None else project.failures.file.failures
    if any(one.load == profile for one in failures):
        demand_columns(workload)  # a failure makes rows of its own
    else:
        Data(workload).demand_enough(project.plan.profiles[profile].rounds)


def gate_lines(project: Project) -> Iterator[str]:
    """Yield what a gate asks of evidence; nothing where it names no profile."""
    gate = project.gate
    if not gate.profile:
        return
    asked = file_requirements(project)[0]
    yield f"gate of profile {gate.profile}: {', '.join(_floors(asked))}"
    names = ", ".join(asked.required_endpoints)
    yield f"  required, each by itself and with {SAMPLES_FOR[P95_PPM]} answers at least: {names}"
    if gate.target:
        yield f"  of {', '.join(gate.target)}"


def _floors(asked: StressRequirements) -> Iterator[str]:
    long = f" of {duration_text(asked.min_duration_seconds * US_PER_S)}"
    yield f"at least {count_of(asked.min_rounds, 'round')}{long * bool(asked.min_duration_seconds)}"
    if asked.min_concurrent_users > 1:
        yield f"{asked.min_concurrent_users} users"
    if asked.min_throughput_rps:
        yield f"{asked.min_throughput_rps:g} requests a second"
    yield f"p95 at most {asked.max_p95_seconds:g} s"
    yield f"{asked.max_error_rate_percent:g} % failures"
    yield f"{asked.gate_max_age_hours:g} h old"
