"""FI-005: one tenant far above its limit, over all workers, and through a crash of the counters."""

from functools import partial

from enforcement_suite.scenarios.limiter.spec import FI_005, FLOOD_LIMIT, FLOOD_PER_S
from stressproof.errors import RunError
from stressproof.failures.spec import FaultSpec
from stressproof.faults.enforcement import Enforcement, Tenant
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.client import Flood
from stressproof.faults.injectors.database import KillPostgres
from stressproof.faults.load import Load, Makers
from stressproof.faults.testbed import Testbed

_QUIET = ("one", "two")


class Limiter:
    """Three tenants with the same limit; one floods, two stay well below it."""

    spec = FI_005

    def __init__(self) -> None:
        self._service: Enforcement
        self._flooder: Tenant
        self._quiet: dict[str, Tenant] = {}

    def prepare(self, service: Enforcement) -> None:
        """Make the tenants with a low limit each."""
        self._service = service
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
        service = self._service
        return {
            "gate_flood": lambda: service.gate("gate_flood", self._flooder),
            **{
                f"gate_quiet_{name}": partial(service.gate, f"gate_quiet_{name}", self._quiet[name])
                for name in _QUIET
            },
            "read": lambda: service.read_policy(self._quiet["one"]),
            "live": service.liveness,
        }

    def injector(self, fault: FaultSpec, stage: Testbed, load: Load) -> Injector:
        """Return the injector of one fault."""
        match fault.id:
            case "flood":
                return Flood(
                    load,
                    "one of three tenants",
                    [(1, lambda: self._service.gate("gate_flood", self._flooder))],
                    rate_per_s=FLOOD_PER_S,
                    limit=FLOOD_LIMIT,
                    kind_sent="gate_flood",
                )
            case "postgres_killed":
                return KillPostgres(stage.postgres)
            case other:
                raise RunError(f"FI-005 has no fault {other!r}")

    def is_finished(self, fault: FaultSpec, injector: Injector) -> bool:
        """Both last their time."""
        del fault, injector
        return False

    def baseline_actions(self, load: Load) -> None:
        """Nothing: without a flood there is only the quiet load."""
