"""Load a service, break it on purpose, and let only proven builds through.

What the commands do, programs can do. Everything here is imported when it is first used, so that
``import stressproof`` costs nothing.

Load a service and keep evidence:
    `plan_capture` makes a `Plan` of a URL and a `Suite`; `capture` carries it out and returns a
    `StressArtifact`; `conclude` says whether limits and `Objectives` were met (a `Conclusion`).
    What is sent: a `Request`, several in a `Profile`, at the pace of `ConstantVus`, `RampingVus`,
    `SharedIterations`, `PerVuIterations`, `ConstantArrivalRate` or `RampingArrivalRate` (with a
    `Stage` each for what ramps). `Thresholds` are the three limits, a `Credential` is a bearer
    token, an `Observer` is told of progress, and a `StopFlag` ends a capture early.

Break it on purpose:
    `inject` runs a suite's failure scenarios and returns a `FailureArtifact`.

Judge:
    `verify` holds evidence, a file or what was just captured, against `StressRequirements` or
    `FailureRequirements`, and returns a `Verdict`: an `Outcome`, an `Exit` code and every reason.
    `gate` judges a `GateRequest` (`release_request` makes one), runs the project's quality steps
    and returns a `Decision`.

Find out what is asked:
    `load_config` reads a ``stressproof.toml`` into a `Project`; `suite_of` returns the suite that a
    project names, `find_suite` one by name or path.

Whatever cannot be done raises a `StressproofError`, which has a message, a hint and an exit code; a
failed gate is a value and no exception. ``__version__`` is the version.
"""

import importlib
from typing import TYPE_CHECKING, Any

from stressproof.version import __version__

if TYPE_CHECKING:
    from stressproof.capture.capture import capture as capture
    from stressproof.capture.conclusion import Conclusion as Conclusion
    from stressproof.capture.conclusion import conclude as conclude
    from stressproof.capture.credentials import Credential as Credential
    from stressproof.capture.inject import inject as inject
    from stressproof.capture.observer import Observer as Observer
    from stressproof.capture.plan import Plan as Plan
    from stressproof.capture.plan import plan_capture as plan_capture
    from stressproof.config.compile import Project as Project
    from stressproof.config.compile import load_config as load_config
    from stressproof.config.failure_requirements import FailureRequirements as FailureRequirements
    from stressproof.config.profile import Profile as Profile
    from stressproof.config.stress_requirements import StressRequirements as StressRequirements
    from stressproof.errors import StressproofError as StressproofError
    from stressproof.evidence.results import Thresholds as Thresholds
    from stressproof.evidence.stress import StressArtifact as StressArtifact
    from stressproof.exits import Exit as Exit
    from stressproof.failures.artifact import FailureArtifact as FailureArtifact
    from stressproof.gate.decision import Decision as Decision
    from stressproof.gate.gate import gate as gate
    from stressproof.gate.request import GateRequest as GateRequest
    from stressproof.gate.request import release_request as release_request
    from stressproof.load.result import StopFlag as StopFlag
    from stressproof.objectives.objectives import Objectives as Objectives
    from stressproof.outcome import Outcome as Outcome
    from stressproof.suite import Suite as Suite
    from stressproof.suite import find_suite as find_suite
    from stressproof.suite import suite_of as suite_of
    from stressproof.verify.verdict import Verdict as Verdict
    from stressproof.verify.verification import verify as verify
    from stressproof.workload.executors import ConstantArrivalRate as ConstantArrivalRate
    from stressproof.workload.executors import ConstantVus as ConstantVus
    from stressproof.workload.executors import PerVuIterations as PerVuIterations
    from stressproof.workload.executors import RampingArrivalRate as RampingArrivalRate
    from stressproof.workload.executors import RampingVus as RampingVus
    from stressproof.workload.executors import SharedIterations as SharedIterations
    from stressproof.workload.executors import Stage as Stage
    from stressproof.workload.requests import Request as Request

__all__ = [
    "Conclusion",
    "ConstantArrivalRate",
    "ConstantVus",
    "Credential",
    "Decision",
    "Exit",
    "FailureArtifact",
    "FailureRequirements",
    "GateRequest",
    "Objectives",
    "Observer",
    "Outcome",
    "PerVuIterations",
    "Plan",
    "Profile",
    "Project",
    "RampingArrivalRate",
    "RampingVus",
    "Request",
    "SharedIterations",
    "Stage",
    "StopFlag",
    "StressArtifact",
    "StressRequirements",
    "StressproofError",
    "Suite",
    "Thresholds",
    "Verdict",
    "__version__",
    "capture",
    "conclude",
    "find_suite",
    "gate",
    "inject",
    "load_config",
    "plan_capture",
    "release_request",
    "suite_of",
    "verify",
]

_HOMES = {
    "Conclusion": "stressproof.capture.conclusion",
    "ConstantArrivalRate": "stressproof.workload.executors",
    "ConstantVus": "stressproof.workload.executors",
    "Credential": "stressproof.capture.credentials",
    "Decision": "stressproof.gate.decision",
    "Request": "stressproof.workload.requests",
    "Exit": "stressproof.exits",
    "FailureArtifact": "stressproof.failures.artifact",
    "FailureRequirements": "stressproof.config.failure_requirements",
    "GateRequest": "stressproof.gate.request",
    "Objectives": "stressproof.objectives.objectives",
    "Observer": "stressproof.capture.observer",
    "Outcome": "stressproof.outcome",
    "PerVuIterations": "stressproof.workload.executors",
    "Plan": "stressproof.capture.plan",
    "Profile": "stressproof.config.profile",
    "Project": "stressproof.config.compile",
    "RampingArrivalRate": "stressproof.workload.executors",
    "RampingVus": "stressproof.workload.executors",
    "SharedIterations": "stressproof.workload.executors",
    "Stage": "stressproof.workload.executors",
    "StopFlag": "stressproof.load.result",
    "StressArtifact": "stressproof.evidence.stress",
    "StressRequirements": "stressproof.config.stress_requirements",
    "StressproofError": "stressproof.errors",
    "Suite": "stressproof.suite",
    "Thresholds": "stressproof.evidence.results",
    "Verdict": "stressproof.verify.verdict",
    "capture": "stressproof.capture.capture",
    "conclude": "stressproof.capture.conclusion",
    "find_suite": "stressproof.suite",
    "gate": "stressproof.gate.gate",
    "inject": "stressproof.capture.inject",
    "load_config": "stressproof.config.compile",
    "plan_capture": "stressproof.capture.plan",
    "release_request": "stressproof.gate.request",
    "suite_of": "stressproof.suite",
    "verify": "stressproof.verify.verification",
}
"""Every public name but the version, with the module that it lives in."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)


_ROOMS = frozenset({"capture", "gate", "verify"})
"""Functions that bear the name of the package that they live in (`stressproof.callable_room`)."""
