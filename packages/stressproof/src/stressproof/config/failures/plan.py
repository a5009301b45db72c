"""Failure scenarios of a file as what is driven: a testbed, specs, and what is really sent."""

from collections.abc import Mapping

from msgspec import Struct

from stressproof.config.failures.tables import (
    EffectsTable,
    FailureTable,
    InvariantTable,
    TestbedTable,
)
from stressproof.config.failures.testbed_plan import TestbedPlan
from stressproof.failures.spec import ScenarioSpec
from stressproof.workload.requests import Request
from stressproof.workload.tables import Table


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
        effects: In the same order: the text of the effect that each asks for; empty for none.
        tables: Of the file; those that `prepare` makes come beside them.
    """

    requests: tuple[Request, ...]
    effects: tuple[str, ...]
    tables: tuple[Table, ...] = ()


class FailurePlan(Struct, frozen=True):
    """All of it.

    Attributes:
        testbed: What stands.
        scenarios: In the file's order.
        loads: By id of the scenario.
        file: From which all of it was read.
    """

    testbed: TestbedPlan
    scenarios: tuple[ScenarioSpec, ...]
    loads: Mapping[str, FailureLoad]
    file: FailureFile
