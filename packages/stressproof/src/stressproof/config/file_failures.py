"""A project's failures: what is driven, and what is asked of evidence of them."""

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from stressproof.config.amounts import duration_us
from stressproof.config.failure_requirements import FailureRequirements
from stressproof.config.failures.plan import FailurePlan
from stressproof.config.failures.reading import read_failures
from stressproof.config.mistakes import Mistakes
from stressproof.config.reading import read_bytes
from stressproof.errors import UsageError
from stressproof.evidence.project_files import project_file
from stressproof.failures.parameters import S
from stressproof.failures.spec import RequestSpec
from stressproof.failures.spec_problems import spec_problems

if TYPE_CHECKING:
    from stressproof.config.compile import Project

PROFILE = "failures"
"""What evidence of a file's failures has as its profile: all of them together."""

_HOUR_US = 3600 * S
_MOST_BYTES = 64 * 2**20


def plan_failures(
    project: "Project", environment: Mapping[str, str] | None = None
) -> FailurePlan | None:
    """Return what a project's file says of failures, None where it says nothing.

    Args:
        project: Its folder holds the files that the specs name.
        environment: What ``${}`` is taken from; None leaves it as it is written, and reads no
            tables: specs are the same.

    Raises:
        UsageError: A file is not there, or the environment lacks something.
    """
    plan = _read(project, environment)
    if plan is None:
        return None
    digests = {
        path: sha256(
            read_bytes(
                project_file(project.folder, path),
                _MOST_BYTES,
                "a file of a failure",
                "Name a file beside stressproof.toml.",
            )
        ).hexdigest()
        for path in sorted({path for one in plan.scenarios for path in one.files})
    }
    scenarios = tuple(
        msgspec.structs.replace(one, files={path: digests[path] for path in one.files})
        for one in plan.scenarios
    )
    for one in scenarios:
        for problem in spec_problems(one):
            raise UsageError(
                f"the failure {one.id}: {problem}", hint="What cannot be judged is not injected."
            )
    return msgspec.structs.replace(plan, scenarios=scenarios)


def planned_failures(
    project: "Project", environment: Mapping[str, str] | None = None
) -> FailurePlan:
    """Return what a file says of failures (`plan_failures`), which has to be something.

    Raises:
        UsageError: It has none, or as `plan_failures` has it.
    """
    plan = plan_failures(project, environment)
    if plan is None or not plan.scenarios:
        raise UsageError("the file has no failures", hint="Write [testbed] and [[failure]].")
    return plan


def _read(project: "Project", environment: Mapping[str, str] | None) -> FailurePlan | None:
    """Return what a file says, without the digests of what it names."""
    if project.failures is None or environment is None:
        return project.failures
    mistakes = Mistakes()
    plan = read_failures(project.failures.file, project.plan, environment, mistakes)
    if mistakes.found:
        first = mistakes.found[0]
        raise UsageError(f"{first.where}: {first.message}", hint=first.hint)
    return plan


def asked_less(policy: "Project", judged: "Project") -> list[str]:
    """Return what a commit asks less of than a policy that somebody else guards, one line each.

    What is sent may change, and more may be broken and checked; nothing of it may be less, and
    answers mean what they meant.
    """
    before, after = _read(policy, None), _read(judged, None)
    now = {one.id: one for one in (() if after is None else after.scenarios)}
    lines = []
    for asked in () if before is None else before.scenarios:
        own = now.get(asked.id)
        if own is None:
            lines.append(f"{asked.id} is not there")
            continue
        lines += [
            f"{asked.id}: the {what} {one.id} is not there, or not as it is"
            for what in ("fault", "check", "invariant")
            for one in getattr(asked, f"{what}s")
            if one not in getattr(own, f"{what}s")
        ]
        meant = [_meaning(one) for one in own.requests]
        lines += [
            f"{asked.id}: the request {one.kind} is not there, or its answers mean something else"
            for one in asked.requests
            if _meaning(one) not in meant
        ]
        if own.effects != asked.effects:
            lines.append(f"{asked.id}: effects are read otherwise")
        lines += [f"{asked.id}: {name} is off" for name in own.off if name not in asked.off]
        lines += [
            f"{asked.id}: {name} is {getattr(own, name)}, below {getattr(asked, name)}"
            for name in ("steady_us", "rate_per_s")
            if getattr(own, name) < getattr(asked, name)
        ]
    return lines


def _meaning(request: RequestSpec) -> RequestSpec:
    """Return a request without what is sent, and how often."""
    return msgspec.structs.replace(request, weight=0, definition_sha256="")


def failure_file_requirements(project: "Project") -> FailureRequirements | None:
    """Return what is asked of failure evidence, None where the file has no failures.

    Raises:
        UsageError: A file that a failure names is not there.
    """
    plan = plan_failures(project)
    if plan is None or not plan.scenarios:
        return None
    hours = (duration_us(project.gate.max_age) or 0) / _HOUR_US
    return FailureRequirements(profile=PROFILE, scenarios=plan.scenarios, gate_max_age_hours=hours)
