"""FI-005: one tenant far above its limit, over all workers, and through a crash of the counters."""

from functools import partial
from typing import ClassVar

from enforcement_suite.driver import EnforcementDriver
from enforcement_suite.scenarios.limiter.spec import FLOOD_LIMIT, FLOOD_PER_S
from stressproof.failures.spec import FaultSpec
from stressproof.faults.driver import Injectors
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.callers import Flood
from stressproof.faults.injectors.outages import Kill
from stressproof.faults.injectors.postgres_victim import PostgresVictim
from stressproof.faults.load import Load, Makers, Request

_QUIET = ("one", "two")


class Limiter(EnforcementDriver):
    """Three tenants with the same limit; one floods, two stay well below it."""

    def prepare(self) -> None:
        """Make the tenants with a low limit each."""
        service = self.service
        self._flooder = service.tenant("fi005-flood", per_minute=FLOOD_LIMIT)
        self._quiet = {
            name: service.tenant(f"fi005-{name}", per_minute=FLOOD_LIMIT) for name in _QUIET
        }
        tenants = (self._flooder, *self._quiet.values())
        for tenant in tenants:
            service.call(tenant, "POST", "/policies", {"terraform_mode": "hard"})
        service.warm_up(tenants)

    def requests(self) -> Makers:
        """A little of everybody: quiet tenants stay at half of their limit."""
        service = self.service
        return {
            "gate_flood": self._gate_flood,
            **{
                f"gate_quiet_{name}": partial(service.gate, f"gate_quiet_{name}", self._quiet[name])
                for name in _QUIET
            },
            "read": lambda: service.read_policy(self._quiet["one"]),
            "live": service.liveness,
        }

    def _gate_flood(self) -> Request:
        return self.service.gate("gate_flood", self._flooder)

    def flood(self, fault: FaultSpec, load: Load) -> Injector:
        """Let one tenant ask for far more than its limit."""
        return Flood(fault, load, [(1, self._gate_flood)], rate_per_s=FLOOD_PER_S)

    def kill(self, fault: FaultSpec, _: Load) -> Injector:
        """Kill every process of the database."""
        return Kill(fault, PostgresVictim(self.testbed.postgres))

    injectors: ClassVar[Injectors] = {"flood": flood, "postgres_killed": kill}
