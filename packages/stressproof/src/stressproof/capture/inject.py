"""Failures injected in one call, for programs and the command line."""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from stressproof.capture.injection import Injection, InjectionPlan
from stressproof.capture.stage import stage_of
from stressproof.config.compile import Project
from stressproof.failures.artifact import FailureArtifact
from stressproof.faults.permissions import NOTHING_MORE, Permissions
from stressproof.faults.refusal import demand_no_refusal
from stressproof.suite import Suite, suite_of

SEED_BITS = 32


def plan_injection(
    what: Suite | Project,
    output: Path | str,
    *,
    executed_by: str,
    approved_by: str,
    scenarios: Sequence[str] = (),
    seed: int | None = None,
    workers: int | None = None,
    permissions: Permissions = NOTHING_MORE,
    quick: bool = False,
    force: bool = False,
) -> InjectionPlan:
    """Return what an injection is to do; the arguments are those of `inject`.

    Raises:
        UsageError: There are no such scenarios, what they need cannot be loaded, or nothing may be
            broken on this machine.
    """
    demand_no_refusal(os.environ)
    drawn = int.from_bytes(os.urandom(SEED_BITS // 8)) if seed is None else seed
    suite = suite_of(what) if isinstance(what, Project) else what
    project = what if isinstance(what, Project) else None
    if project is None or project.failures is None:
        project = suite.failure_project()
    stage = stage_of(
        project,
        scenarios,
        seed=drawn,
        permissions=permissions,
        workers=workers,
    )
    return InjectionPlan(
        output=Path(output),
        executed_by=executed_by,
        approved_by=approved_by,
        stage=stage,
        suite=suite,
        seed=drawn,
        quick=quick,
        force=force,
        command=shlex.join(sys.argv),
        environment=os.environ,
    )


def inject(
    output: Path | str,
    what: Suite | Project,
    *,
    executed_by: str,
    approved_by: str,
    scenarios: Sequence[str] = (),
    seed: int | None = None,
    workers: int | None = None,
    permissions: Permissions = NOTHING_MORE,
    quick: bool = False,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> FailureArtifact:
    """Inject failures into a service, and return the evidence of it.

    Everything is started for it on free ports of this machine; nothing else is touched.

    Args:
        output: Where the artifact goes; it is written whatever comes out.
        what: A project whose file has failures, or a suite that has.
        executed_by: Who runs it.
        approved_by: Somebody else.
        scenarios: Only these, by id; all of them if empty.
        seed: Of schedules and load, drawn and recorded if None.
        workers: Processes of the service, as many as the file says if None.
        permissions: What of a file may be broken beyond what is started for it.
        quick: One fault a scenario; never release evidence.
        force: Discard a file that is in the way.
        say: Told what happens.

    Raises:
        UsageError: There are no such scenarios, or the names are no two people.
        InconclusiveError: A steady state is unhealthy; nothing was broken any further.
        RunError: A fault could not be applied or removed.
    """
    plan = plan_injection(
        what,
        output,
        executed_by=executed_by,
        approved_by=approved_by,
        scenarios=scenarios,
        seed=seed,
        workers=workers,
        permissions=permissions,
        quick=quick,
        force=force,
    )
    return Injection(plan, say).run()
