"""FI-001: fail-safe while the database is slow, silent, gone or cut off."""

from functools import partial
from typing import ClassVar

from enforcement_suite.driver import EnforcementDriver
from enforcement_suite.scenarios.faults import SESSIONS
from enforcement_suite.service import Tenant
from stressproof.failures.spec import FaultSpec
from stressproof.faults.driver import Injectors
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.database import TerminateSessions
from stressproof.faults.injectors.outages import Freeze, Kill
from stressproof.faults.injectors.postgres_victim import PostgresVictim
from stressproof.faults.load import Load, Makers
from stressproof.faults.proxy.faults import ProxyFault

_MODES = ("hard", "soft", "shadow")


class FailSafe(EnforcementDriver):
    """Three tenants, one for each mode, asked all the time."""

    def prepare(self) -> None:
        """Make the tenants, and let every worker learn their policies."""
        service = self.service
        self._tenants: dict[str, Tenant] = {}
        for mode in _MODES:
            tenant = service.tenant(f"fi001-{mode}")
            service.call(
                tenant,
                "POST",
                "/policies",
                {"terraform_mode": mode, "auto_approve_below_monthly_usd": "5000"},
            )
            service.call(
                tenant, "POST", "/credits", {"pool_type": "reserved", "total_amount_usd": "100000"}
            )
            self._tenants[mode] = tenant
        service.warm_up(self._tenants.values())

    def requests(self) -> Makers:
        """Gates of each mode, plain reads, and a question that needs no database."""
        service = self.service
        return {
            **{
                f"gate_{mode}": partial(service.gate, f"gate_{mode}", self._tenants[mode])
                for mode in _MODES
            },
            "read": lambda: service.read_policy(self._tenants["hard"]),
            "live": service.liveness,
        }

    def proxy(self, fault: FaultSpec, _: Load) -> Injector:
        """Make the database slow, silent or cut off, as the fault has it."""
        return ProxyFault(fault, self.testbed.proxy)

    def freeze(self, fault: FaultSpec, _: Load) -> Injector:
        """Stop every process of the database."""
        return Freeze(fault, PostgresVictim(self.testbed.postgres))

    def terminate(self, fault: FaultSpec, _: Load) -> Injector:
        """End the service's sessions, again and again."""
        return TerminateSessions(fault, self.testbed.dsn, SESSIONS)

    def kill(self, fault: FaultSpec, _: Load) -> Injector:
        """Kill every process of the database."""
        return Kill(fault, PostgresVictim(self.testbed.postgres))

    injectors: ClassVar[Injectors] = {
        "slow_database": proxy,
        "black_hole": proxy,
        "postgres_frozen": freeze,
        "backends_terminated": terminate,
        "postgres_killed": kill,
        "commit_answer_lost": proxy,
    }
