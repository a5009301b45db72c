"""Failure scenarios of a file as what is driven: a testbed, specs, and what is really sent."""

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from stressproof.config.failure_tables import (
    EffectsTable,
    FailureTable,
    InvariantTable,
    TestbedTable,
)
from stressproof.config.reading import Faults, read_bytes
from stressproof.config.testbed_plan import TestbedPlan
from stressproof.errors import UsageError
from stressproof.evidence.project_files import project_file
from stressproof.failures.spec import ScenarioSpec
from stressproof.workload.requests import Request
from stressproof.workload.tables import Table

if TYPE_CHECKING:
    from stressproof.config.compile import Project

_MOST_BYTES = 64 * 2**20


class FailureFile(Struct, frozen=True):
    """What a file says of failures.

    Attributes:
        testbed: What stands.
        effects: Where effects are read.
        invariants: What must be true in the end.
        failures: What is broken, and what must hold then.
    """

    testbed: TestbedTable | None = None
    effects: EffectsTable | None = None
    invariants: tuple[InvariantTable, ...] = ()
    failures: tuple[FailureTable, ...] = ()


class FailureLoad(Struct, frozen=True):
    """What is sent.

    Attributes:
        requests: One for each `RequestSpec` of the scenario, in order, with the target's headers;
            templates hold ``{{effect}}``, ``{{run}}``, ``{{secret.NAME}}`` and columns of tables.
        tables: Of the file; those that `prepare` makes come beside them.
    """

    requests: tuple[Request, ...]
    tables: tuple[Table, ...] = ()


class FailurePlan(Struct, frozen=True):
    """All of it.

    Attributes:
        testbed: What stands.
        scenarios: In the file's order.
        loads: By id of the scenario.
    """

    testbed: TestbedPlan
    scenarios: tuple[ScenarioSpec, ...]
    loads: Mapping[str, FailureLoad]


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
    from stressproof.config.failure_reading import read_failures  # noqa: PLC0415  # few have any

    faults = Faults()
    plan = read_failures(project.failures, project.plan, environment, faults)
    if faults.found:
        first = faults.found[0]
        raise UsageError(f"{first.where}: {first.message}", hint=first.hint)
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
    return msgspec.structs.replace(
        plan,
        scenarios=tuple(
            msgspec.structs.replace(one, files={path: digests[path] for path in one.files})
            for one in plan.scenarios
        ),
    )
