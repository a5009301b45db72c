"""What failures are injected into, and what drives each: a suite's, or what a file says."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec import Struct

from stressproof.config.compile import Project
from stressproof.config.file_failures import plan_failures
from stressproof.errors import UsageError
from stressproof.failures.spec import ScenarioSpec
from stressproof.faults.driver import Driver, load_class, load_driver
from stressproof.faults.permissions import NOTHING_MORE, Permissions, demand_permission
from stressproof.faults.run import chosen
from stressproof.faults.testbed import Testbed
from stressproof.suite import Suite

_OF_A_SUITE = 2


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


def suite_stage(suite: Suite, names: Sequence[str], workers: int) -> Stage:
    """Return what a suite's failures are injected into.

    Args:
        suite: Whose scenarios these are.
        names: Only these, by id; all of them if empty.
        workers: Processes of the service.

    Raises:
        UsageError: The suite has no testbed, no such scenario, or something cannot be loaded.
    """
    if not suite.testbed:
        raise UsageError(
            f"the suite {suite.name} has no testbed, so there is nothing to inject into",
            hint="Write [testbed] and [[failure]] into the stressproof.toml of this folder "
            "(docs/failures.md), or give the suite the dotted path of a Testbed.",
        )
    demanded = suite.failure_requirements().scenarios
    scenarios = chosen(demanded, names)
    testbed: type[Testbed] = load_class(
        suite.testbed, Testbed, of=f"the testbed of the suite {suite.name}"
    )
    return Stage(
        scenarios=scenarios,
        testbed=partial(testbed, workers=workers),
        drivers={spec.id: load_driver(spec) for spec in scenarios},
        testbeds=_OF_A_SUITE,
        whole=len(scenarios) == len(demanded),
    )


def file_stage(
    project: Project, names: Sequence[str], seed: int, permissions: Permissions
) -> Stage | None:
    """Return what the failures of a project's file are injected into, None where it has none.

    Args:
        project: Its file.
        names: Only these, by id; all of them if empty.
        seed: Of the injection.
        permissions: What the operator permits.

    Raises:
        UsageError: A file that it names is not there, the environment lacks something, or a fault
            would break what is not started here and nobody permitted it.
    """
    plan = plan_failures(project, os.environ)
    if plan is None or not plan.scenarios:
        return None
    from stressproof.faults.file_driver import FileDriver  # noqa: PLC0415  # only for files
    from stressproof.faults.file_testbed import FileTestbed  # noqa: PLC0415  # likewise

    scenarios = chosen(plan.scenarios, names)
    demand_permission(scenarios, plan.testbed.started, permissions)
    return Stage(
        scenarios=scenarios,
        testbed=partial(
            FileTestbed,
            plan=plan.testbed,
            folder=project.folder,
            environment=os.environ,
            permissions=permissions,
        ),
        drivers={
            spec.id: partial(FileDriver, spec=spec, load=plan.loads[spec.id], seed=seed)
            for spec in scenarios
        },
        testbeds=plan.testbed.testbeds,
        whole=len(scenarios) == len(plan.scenarios),
        permissions=permissions,
    )
