"""May two captures be compared at all: what must be equal, and which baseline is worth one."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Struct

from stressproof.errors import InconclusiveError
from stressproof.evidence.derive import evaluate, run_results
from stressproof.evidence.measurements import RunMeasurements
from stressproof.evidence.results import Thresholds
from stressproof.evidence.stress import StressArtifact

_LEAST_PAIRS = 2
_WORKLOAD_MAY_DIFFER = frozenset({"seed", "pause_seconds"})


class Capture(Struct, frozen=True):
    """One artifact and how to name it in a message."""

    name: str
    artifact: StressArtifact


class Round(Struct, frozen=True):
    """One round of one side.

    Attributes:
        capture: The name of its artifact.
        run: What was counted.
        started_at: When its measured time began.
        ended_at: When its last answer came.
    """

    capture: str
    run: RunMeasurements
    started_at: datetime
    ended_at: datetime


class Difference(Struct, frozen=True):
    """Something that must be equal and is not."""

    what: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.what}: {self.before} and {self.after}"


class NotComparableError(InconclusiveError):
    """The two sides differ in more than the build, so no difference could be blamed on it."""

    def __init__(self, differences: Sequence[Difference]) -> None:
        listed = "\n".join(f"  {difference}" for difference in differences)
        super().__init__(
            f"the captures are not comparable: {len(differences)} things differ\n{listed}",
            hint="Capture both with the same command on the same machine, round about.",
        )
        self.differences = tuple(differences)


class UnfitError(InconclusiveError):
    """A capture cannot stand on its side of a comparison."""


def check_alike(before: Sequence[Capture], after: Sequence[Capture]) -> None:
    """Refuse sides that differ in workload, machine, generator or backend.

    Raises:
        UnlikeError: They do; every difference is listed.
    """
    reference = _facts(before[0].artifact)
    found: dict[str, Difference] = {}
    for capture in (*before[1:], *after):
        for what, value in _facts(capture.artifact).items():
            if value != reference.get(what) and what not in found:
                found[what] = Difference(what, _short(reference.get(what)), _short(value))
    if found:
        raise NotComparableError(list(found.values()))


def _facts(artifact: StressArtifact) -> dict[str, Any]:
    """Return everything that must be equal for a difference to be the build's."""
    workload = msgspec.to_builtins(artifact.workload)
    scenarios = {one.pop("name"): one for one in workload.pop("scenarios")}
    generator = artifact.generator
    runtime = artifact.runtime
    return {
        "profile": artifact.profile,
        **{
            f"workload.{name}": value
            for name, value in workload.items()
            if name not in _WORKLOAD_MAY_DIFFER
        },
        **{
            f"workload.scenarios({scenario}).{name}": value
            for scenario, facts in scenarios.items()
            for name, value in facts.items()
        },
        "measurements.resolution_seconds": artifact.measurements.resolution_seconds,
        "generator.tool": generator.tool,
        "generator.version": generator.version,
        "generator.python": generator.python,
        "generator.workers": generator.workers,
        "machine.host": generator.host,
        "machine.cpus": generator.cpus,
        "runtime.database_engine": runtime.database_engine,
        "runtime.server_version": runtime.before.server_version,
        "runtime.fsync": runtime.before.fsync,
        "runtime.synchronous_commit": runtime.before.synchronous_commit,
        "runtime.limits": runtime.limits,
        "runtime.unsafe": runtime.unsafe,
        "target.workers": artifact.target.before.workers,
    }


def check_baseline(captures: Sequence[Capture]) -> None:
    """Refuse a baseline that did not pass: a bad run would excuse every later one (keptn#2224).

    Raises:
        UnfitError: One of the captures is no baseline.
    """
    for capture in captures:
        artifact = capture.artifact
        limits = artifact.thresholds
        endpoints = artifact.workload.endpoints
        rounds = [run_results(run, endpoints) for run in artifact.measurements.runs]
        if artifact.status != "complete":
            reason = f"its capture is {artifact.status!r}, not complete"
        elif limits == Thresholds(None, None, None):
            reason = "it was captured without any limit, so it cannot have passed one"
        elif not evaluate(rounds, limits).overall_meets_targets:
            reason = "it missed its own limits"
        elif artifact.generator.worst.saturated:
            reason = "its generator was saturated"
        else:
            continue
        raise UnfitError(
            f"{capture.name} is no baseline: {reason}",
            hint="Compare with evidence that passed its gate.",
        )


def check_candidate(captures: Sequence[Capture]) -> None:
    """Refuse what cannot be compared with a baseline.

    Raises:
        UnfitError: One of the captures broke off, or measured its own generator.
    """
    for capture in captures:
        artifact = capture.artifact
        if artifact.status != "complete":
            reason = f"its capture is {artifact.status!r}, not complete"
        elif artifact.generator.worst.saturated:
            reason = "its generator was saturated: the instrument may have been the limit"
        else:
            continue
        raise UnfitError(f"{capture.name} cannot be compared: {reason}", hint="Capture again.")


def rounds_of(captures: Sequence[Capture]) -> list[Round]:
    """Return all rounds of a side in the order in which they ran.

    Raises:
        UnfitError: A time is none, or a round has no measurements.
    """
    found = []
    for capture in captures:
        runs = capture.artifact.runs
        if len(runs) != len(capture.artifact.measurements.runs) or not runs:
            raise UnfitError(f"{capture.name} has {len(runs)} rounds and other measurements")
        for run, measured in zip(runs, capture.artifact.measurements.runs, strict=True):
            found.append(
                Round(
                    capture.name,
                    measured,
                    _instant(run.started_at, capture.name),
                    _instant(run.ended_at, capture.name),
                )
            )
    return sorted(found, key=lambda one: one.started_at)


def interleaved(before: Sequence[Round], after: Sequence[Round]) -> str:
    """Return why the rounds were not interleaved, an empty text where they were.

    In the order of time the rounds form pairs of one of each side (A B A B, A B B A), so that a
    machine that slowly changes changes for both.
    """
    if len(before) != len(after):
        return f"{len(before)} rounds of one side and {len(after)} of the other"
    if len(before) < _LEAST_PAIRS:
        return "one round of each side cannot alternate"
    order = sorted(
        [(one, "A") for one in before] + [(one, "B") for one in after],
        key=lambda item: item[0].started_at,
    )
    for (earlier, _), (later, _) in pairwise(order):
        if later.started_at < earlier.ended_at:
            return f"rounds of {earlier.capture} and {later.capture} overlap in time"
    sides = [side for _, side in order]
    for at in range(0, len(sides), 2):
        if sides[at] == sides[at + 1]:
            return f"two rounds of {order[at][0].capture} ran in a row without one of the other"
    return ""


def _instant(text: str, name: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise UnfitError(f"{name}: {text!r} is no time with an offset")
    return instant


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


_SHOWN = 120
