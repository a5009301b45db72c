"""What drives every scenario of a file: its requests, its faults, and what is read in the end."""

import time
from collections.abc import Mapping, Sequence
from msgspec import Struct

from stressproof.config.failure_plan import FailureLoad
from stressproof.errors import RunError, UsageError
from stressproof.failures.spec import FaultSpec, Invariant, ScenarioSpec
from stressproof.faults.driver import ScenarioDriver
from stressproof.faults.file_requests import EffectNumbers, FileRequests, PreparedRows
from stressproof.faults.file_testbed import FileTestbed
from stressproof.faults.final_read import FinalRead
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.registry import injector
from stressproof.faults.load import Load, Makers
from stressproof.load.flow_modules import FlowModules
from stressproof.workload.tables import MAX_ROWS
from stressproof.workload.target import Target


class FileDriver(ScenarioDriver[FileTestbed]):
    """A scenario of a file on its testbed.

    Args:
        testbed: Entered.
        run: Names this trial's effects.
        spec: The scenario.
        load: What its requests are.
        seed: Decides what ``random`` tables give.
    """

    def __init__(
        self, testbed: FileTestbed, run: str, *, spec: ScenarioSpec, load: FailureLoad, seed: int
    ) -> None:
        super().__init__(testbed, run)
        self._spec = spec
        self._load = load
        self._seed = seed

    def prepare(self) -> None:
        """Make rows where the scenario has a function for it, and let them ripen.

        Raises:
            UsageError: The function cannot be had, or returns no rows.
            RunError: It failed.
        """
        testbed, spec = self.testbed, self._spec
        testbed.effects = EffectNumbers(self.run)
        rows: PreparedRows = {}
        if spec.prepare:
            made_at = time.monotonic()
            rows = prepared(testbed, spec.prepare)
            time.sleep(max(0.0, made_at + spec.ripe_us / 1e6 - time.monotonic()))
        testbed.requests = FileRequests(
            spec.requests, self._load, Target(testbed.url), testbed.effects, rows, self._seed
        )

    def requests(self) -> Makers:
        """Return what makes each kind of the load's requests."""
        return self.testbed.requests.makers()

    def baseline_actions(self, load: Load) -> None:
        """Send what only faults send, as often as the scenario asks for it without them."""
        for one in self._spec.requests:
            times = one.sent[0]
            if times:
                load.burst(self.testbed.requests.batch(one.kind, times, same=False))

    def injector(self, fault: FaultSpec, load: Load) -> Injector:
        """Return what makes a fault."""
        return injector(fault, self.testbed, load)
