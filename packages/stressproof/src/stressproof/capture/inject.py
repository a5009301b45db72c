"""Failures injected in one call, for programs and the command line."""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from stressproof.capture.injection import Injection, InjectionPlan
from stressproof.failures.artifact import FailureArtifact
from stressproof.faults.run import chosen
from stressproof.suite import Suite

SEED_BITS = 32


def inject(
    output: Path | str,
    suite: Suite,
    *,
    executed_by: str,
    approved_by: str,
    scenarios: Sequence[str] = (),
    seed: int | None = None,
    workers: int = 2,
    quick: bool = False,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> FailureArtifact:
    """Inject a suite's failures into its service, and return the evidence of it.

    Everything is started for it on free ports of this machine; nothing else is touched.

    Args:
        output: Where the artifact goes; it is written whatever comes out.
        suite: Whose failure scenarios these are.
        executed_by: Who runs it.
        approved_by: Somebody else.
        scenarios: Only these, by id; all of them if empty.
        seed: Of schedules and load, drawn and recorded if None.
        workers: Processes of the service, two at least.
        quick: One fault a scenario; never release evidence.
        force: Discard a file that is in the way.
        say: Told what happens.

    Raises:
        UsageError: The suite has no such scenarios, or the names are no two people.
        RunError: A fault could not be applied or removed.
    """
    plan = InjectionPlan(
        output=Path(output),
        executed_by=executed_by,
        approved_by=approved_by,
        scenarios=chosen(suite.failure_requirements().scenarios, scenarios),
        suite=suite,
        seed=int.from_bytes(os.urandom(SEED_BITS // 8)) if seed is None else seed,
        workers=workers,
        quick=quick,
        force=force,
        command=shlex.join(sys.argv),
        environment=os.environ,
    )
    say(f"injecting {', '.join(spec.id for spec in plan.scenarios)} with seed {plan.seed}")
    return Injection(plan, say).run()
