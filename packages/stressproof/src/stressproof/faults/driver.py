"""What drives every scenario of a file: its requests, its faults, and what is read in the end."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from stressproof.config.failures.plan import FailureLoad
from stressproof.errors import RunError, StressproofError, UsageError
from stressproof.failures.spec import Effects, FaultSpec, Invariant, ScenarioSpec
from stressproof.faults.file_requests import EffectNumbers, FileRequests, PreparedRows
from stressproof.faults.final_read import FinalRead
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.registry import injector
from stressproof.faults.load import Load, Makers
from stressproof.faults.proxy.faults import ProxyFault
from stressproof.faults.proxy.kinds import PROXY_KINDS
from stressproof.faults.testbed import Testbed
from stressproof.load.flow_modules import FlowModules
from stressproof.workload.tables import MAX_ROWS
from stressproof.workload.target import Target


class ScenarioDriver:
    """A scenario of a file on its testbed; a fresh one for each trial.

    Args:
        testbed: Entered.
        run: Names this trial's effects; another trial's are not found under it.
        spec: The scenario.
        load: What its requests are.
        seed: Decides what ``random`` tables give.
    """

    def __init__(
        self, testbed: Testbed, run: str, *, spec: ScenarioSpec, load: FailureLoad, seed: int
    ) -> None:
        self.testbed = testbed
        self._spec = spec
        self._load = load
        self._seed = seed
        self._effects = EffectNumbers(run)
        self._rows: PreparedRows | None = None
        self._made_at = 0.0

    def prepare_early(self) -> None:
        """Make rows that have to ripen, while other scenarios run."""
        if self._spec.ripe_us:
            self._make_rows()

    def prepare(self) -> None:
        """Make rows where the scenario has a function for it, and let them ripen.

        Raises:
            UsageError: The function cannot be had, or returns no rows.
            RunError: It failed.
        """
        if self._rows is None:
            self._make_rows()
        ripe_at = self._made_at + self._spec.ripe_us / 1e6
        while (left_s := ripe_at - time.monotonic()) > 0:
            self.testbed.demand_service()
            time.sleep(min(left_s, 1.0))
        self.testbed.effects = self._effects
        self.testbed.requests = FileRequests(
            self._spec.requests,
            self._load,
            Target(self.testbed.url),
            self._effects,
            self._rows or {},
            self.testbed.secrets,
            self._seed,
        )

    def _make_rows(self) -> None:
        self.testbed.effects = self._effects
        self._rows = made_rows(self.testbed, self._spec.prepare) if self._spec.prepare else {}
        self._made_at = time.monotonic()

    def requests(self) -> Makers:
        """Return what makes each kind of the load's requests, by its name in the scenario."""
        return self.testbed.requests.makers()

    def baseline_actions(self, load: Load) -> None:
        """Send what only faults send, as often as the scenario asks for it without them."""
        for one in self._spec.requests:
            if one.sent[0]:
                load.burst(self.testbed.requests.batch(one.kind, one.sent[0], same=False))

    def read_effects(self, effects: Effects) -> Mapping[int, int]:
        """Return how often each effect that was asked for is there, by its key."""
        return self._final_read().effects(effects)

    def read_invariant(self, invariant: Invariant) -> tuple[int, int]:
        """Return how many things an invariant compared, and how many of them are wrong."""
        return self._final_read().invariant(invariant)

    def _final_read(self) -> FinalRead:
        return FinalRead(self.testbed, self.testbed.requests.kept)

    def injector(self, fault: FaultSpec, load: Load) -> Injector:
        """Return what makes a fault of the scenario."""
        if fault.kind not in PROXY_KINDS:
            return injector(fault, self.testbed, load)
        send = partial(self._send, fault, load) if fault.send else None
        return ProxyFault(fault, self.testbed.switchable(fault), send=send)

    def _send(self, fault: FaultSpec, load: Load) -> None:
        """Send what a fault is to hit, one after the other."""
        for make in self.testbed.requests.batches(fault):
            load.in_turn(make())


Driver = Callable[[Testbed, str], ScenarioDriver]
"""Makes the driver of one trial: on a testbed, under the name of the trial's effects."""


def made_rows(testbed: Testbed, named: str) -> PreparedRows:
    """Return the rows that a function of the project makes on a testbed.

    Args:
        testbed: Whose view of a project's code it is handed.
        named: ``file.py:function``.

    Raises:
        UsageError: It cannot be had, or does not return tables of rows.
        RunError: It failed.
    """
    modules = FlowModules(testbed.folder)
    name = named.rpartition(":")[2]
    make = modules.find(named, f'write def {name}(testbed): return {{"table": [{{…}}]}}')
    try:
        rows = make(testbed.project)
    except StressproofError:
        raise
    except Exception as error:
        where = modules.line_of(error) or named
        raise RunError(
            f"{where}: {type(error).__name__}: {error}",
            hint=f"{named} makes the rows of a trial before any load.",
        ) from error
    if not isinstance(rows, Mapping):
        raise _no_rows(named, f"a {type(rows).__name__}")
    for table, found in rows.items():
        if isinstance(found, str) or not isinstance(found, Sequence):
            raise _no_rows(named, f"{table}, a {type(found).__name__}")
        if len(found) > MAX_ROWS or not all(isinstance(row, Mapping) for row in found):
            raise _no_rows(named, f"{table} with {len(found)} items, not all of them rows")
    return rows


def _no_rows(named: str, seen: str) -> UsageError:
    return UsageError(
        f"{named} returns {seen}, expected tables of rows",
        hint='Such as {"tokens": [{"text": "…"}, {"text": "…"}]}.',
    )
