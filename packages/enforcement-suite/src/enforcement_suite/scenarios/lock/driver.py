"""FI-002: one tenant's lock is held, its holder dies, a worker dies, and a budget is raced for."""

from functools import partial
from typing import ClassVar

from enforcement_suite.driver import EnforcementDriver
from enforcement_suite.scenarios.lock.spec import BUDGET_RACERS, BUDGET_RACES, HELD_ROW
from stressproof.failures.spec import FaultSpec
from stressproof.faults.driver import Injectors
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.callers import Race
from stressproof.faults.injectors.database import Lock
from stressproof.faults.injectors.workers import KillHoldingWorker, Workers
from stressproof.faults.load import Load, Makers, Request

LOCK_SQL = HELD_ROW.replace("'{{hot.id}}'", "%s")

_PRICE = "100"


class LockContention(EnforcementDriver):
    """A hot tenant whose lock is held, and another that must not notice."""

    def prepare(self) -> None:
        """Make both tenants in hard mode, the hot one with budgets that pay once."""
        service = self.service
        self._hot, self._other = service.tenant("fi002-hot"), service.tenant("fi002-other")
        for tenant in (self._hot, self._other):
            service.call(
                tenant,
                "POST",
                "/policies",
                {"terraform_mode": "hard", "auto_approve_below_monthly_usd": "5000"},
            )
        for kind in BUDGET_RACES:
            service.call(
                self._hot, "POST", "/budgets", {"scope_key": kind, "monthly_limit_usd": _PRICE}
            )
        service.warm_up((self._hot, self._other))

    def requests(self) -> Makers:
        """Gates of both, reads of the other, and a question that needs no database."""
        service = self.service
        return {
            "gate_hot": lambda: service.gate("gate_hot", self._hot),
            "gate_other": lambda: service.gate("gate_other", self._other),
            "read": lambda: service.read_policy(self._other),
            "live": service.liveness,
        }

    def baseline_actions(self, load: Load) -> None:
        """Ask once for a budget that pays once."""
        load.burst([self._gate("single", BUDGET_RACES[0])])

    def hold(self, fault: FaultSpec, _: Load) -> Injector:
        """Hold the hot tenant's row from a session of our own."""
        return Lock(fault, self.testbed.dsn, LOCK_SQL, (self._hot.tenant_id,))

    def kill_holder(self, fault: FaultSpec, _: Load) -> Injector:
        """Hold the row, and let the holder be killed instead of letting go."""
        return Lock(fault, self.testbed.dsn, LOCK_SQL, (self._hot.tenant_id,), terminate=True)

    def kill_worker(self, fault: FaultSpec, _: Load) -> Injector:
        """Kill a worker in the middle of a transaction."""
        testbed = self.testbed
        workers = Workers(testbed.service.pid, testbed.workers)
        return KillHoldingWorker(fault, workers, testbed.proxy, testbed.query)

    def race(self, fault: FaultSpec, load: Load) -> Injector:
        """Ask for budgets that pay once, many at a time."""
        return Race(fault, load, [partial(self._batch, kind) for kind in BUDGET_RACES])

    def _batch(self, kind: str) -> list[Request]:
        return [self._gate(kind, kind) for _ in range(BUDGET_RACERS)]

    def _gate(self, kind: str, project: str) -> Request:
        return self.service.gate(kind, self._hot, project=project, monthly_usd=_PRICE)

    injectors: ClassVar[Injectors] = {
        "lock_held": hold,
        "holder_killed": kill_holder,
        "worker_killed": kill_worker,
        "budget_race": race,
    }
