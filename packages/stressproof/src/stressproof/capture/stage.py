"""What the failures of a file are injected into, and what drives each."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec import Struct

from stressproof.config.compile import Project
from stressproof.config.file_failures import planned_failures
from stressproof.failures.spec import ScenarioSpec
from stressproof.faults.driver import Driver, ScenarioDriver
from stressproof.faults.permissions import NOTHING_MORE, Permissions, demand_permission
from stressproof.faults.run import chosen
from stressproof.faults.testbed import Testbed


class Stage(Struct, frozen=True):
    """Where and how scenarios run.

    Attributes:
        scenarios: In order.
        testbed: Makes a testbed; called with `Testbed`'s arguments.
        drivers: What makes the driver of a trial, by id of its scenario.
        testbeds: How many may stand at once.
        whole: Whether these are all scenarios that there are.
        permissions: What the operator permits beyond what is started.
    """

    scenarios: Sequence[ScenarioSpec]
    testbed: Callable[..., Testbed]
    drivers: Mapping[str, Driver]
    testbeds: int
    whole: bool
    permissions: Permissions = NOTHING_MORE


def stage_of(
    project: Project,
    names: Sequence[str],
    *,
    seed: int,
    permissions: Permissions = NOTHING_MORE,
    workers: int | None = None,
) -> Stage:
    """Return what the failures of a file are injected into.

    Args:
        project: The file.
        names: Only these, by id; all of them if empty.
        seed: Of the injection.
        permissions: What the operator permits.
        workers: Of the target, as many as the file says if None.

    Raises:
        UsageError: It has no failures, a file that it names is not there, the environment lacks
            something, or a fault would break what is not started here and nobody permitted it.
    """
    plan = planned_failures(project, os.environ)
    testbed = plan.testbed if workers is None else plan.testbed.with_workers(workers)
    scenarios = chosen(plan.scenarios, names)
    demand_permission(scenarios, testbed.started, permissions)
    return Stage(
        scenarios=scenarios,
        testbed=partial(
            Testbed,
            plan=testbed,
            folder=project.folder,
            environment=os.environ,
            permissions=permissions,
        ),
        drivers={
            spec.id: partial(ScenarioDriver, spec=spec, load=plan.loads[spec.id], seed=seed)
            for spec in scenarios
        },
        testbeds=testbed.testbeds,
        whole=len(scenarios) == len(plan.scenarios),
        permissions=permissions,
    )
