"""FI-002: one tenant's lock is held, its holder dies, a worker dies, and a budget is raced for."""

from functools import partial

from enforcement_suite.scenarios.lock.spec import BUDGET_RACERS, BUDGET_RACES, FI_002
from stressproof.errors import RunError
from stressproof.failures.spec import FaultSpec
from stressproof.faults.enforcement import Enforcement, Tenant
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.client import Race
from stressproof.faults.injectors.database import HoldLock
from stressproof.faults.injectors.service import KillHoldingWorker
from stressproof.faults.load import Load, Makers, Request
from stressproof.faults.scenarios.fail_safe import SERVICE_SESSIONS
from stressproof.faults.testbed import Testbed

LOCK_SQL = "SELECT 1 FROM enforcement.ledger_heads WHERE tenant_id = %s FOR UPDATE"
"""The row that every change of a tenant's money or ledger locks."""

_PRICE = "100"


class LockContention:
    """A hot tenant whose lock is held, and another that must not notice."""

    spec = FI_002

    def __init__(self) -> None:
        self._service: Enforcement
        self._hot: Tenant
        self._other: Tenant

    def prepare(self, service: Enforcement) -> None:
        """Make both tenants in hard mode, the hot one with budgets that pay once."""
        self._service = service
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
        service = self._service
        return {
            "gate_hot": lambda: service.gate("gate_hot", self._hot),
            "gate_other": lambda: service.gate("gate_other", self._other),
            "read": lambda: service.read_policy(self._other),
            "live": service.liveness,
        }

    def injector(self, fault: FaultSpec, stage: Testbed, load: Load) -> Injector:
        """Return the injector of one fault."""
        match fault.id:
            case "lock_held":
                return self._hold(stage)
            case "holder_killed":
                return KilledHolder(stage, self._hot)
            case "worker_killed":
                return KillHoldingWorker(stage, SERVICE_SESSIONS)
            case "budget_race":
                batches = [partial(self._batch, kind) for kind in BUDGET_RACES]
                return Race(load, "budgets that pay once", batches, needs=BUDGET_RACERS // 2)
            case other:
                raise RunError(f"FI-002 has no fault {other!r}")

    def _hold(self, stage: Testbed) -> HoldLock:
        return HoldLock(
            stage.dsn, LOCK_SQL, (self._hot.tenant_id,), what="the hot tenant's row", needs=1
        )

    def _batch(self, kind: str) -> list[Request]:
        service = self._service
        return [
            service.gate(kind, self._hot, project=kind, monthly_usd=_PRICE)
            for _ in range(BUDGET_RACERS)
        ]

    def is_finished(self, fault: FaultSpec, injector: Injector) -> bool:
        """Return whether there is nothing to wait for: these are over once they are done."""
        del injector
        return fault.id in {"worker_killed", "budget_race"}

    def baseline_actions(self, load: Load) -> None:
        """Ask once for a budget that pays once."""
        load.burst(
            [self._service.gate("single", self._hot, project=BUDGET_RACES[0], monthly_usd=_PRICE)]
        )


class KilledHolder(HoldLock):
    """A holder that does not let go: its session is ended from outside.

    Args:
        stage: Whose database.
        tenant: Whose row.
    """

    def __init__(self, stage: Testbed, tenant: Tenant) -> None:
        super().__init__(
            stage.dsn, LOCK_SQL, (tenant.tenant_id,), what="the hot tenant's row, holder killed"
        )

    def undo(self) -> None:
        """Kill the holder's backend, then close what is left."""
        self.kill_holder()
        super().undo()
