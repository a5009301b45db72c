"""What the drivers of all scenarios share: the service, and how their effects are found again."""

from collections.abc import Mapping, Sequence
from typing import Any

from enforcement_suite.service import Enforcement
from enforcement_suite.testbed import EnforcementTestbed
from stressproof.failures.spec import FaultSpec
from stressproof.faults.driver import ScenarioDriver
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.database import TerminateSessions
from stressproof.faults.injectors.outages import Kill
from stressproof.faults.injectors.postgres_victim import PostgresVictim
from stressproof.faults.load import Load, Request
from stressproof.faults.proxy.faults import ProxyFault


class EnforcementDriver(ScenarioDriver[EnforcementTestbed]):
    """A scenario on the enforcement service.

    Attributes:
        service: Tenants and requests of this trial.
    """

    def __init__(self, testbed: EnforcementTestbed, run: str) -> None:
        super().__init__(testbed, run)
        self.service = Enforcement(testbed, run)

    def effects_parameters(self) -> Mapping[str, Any]:
        """Return how this trial's resources begin."""
        return {"prefix": self.service.effects_prefix}

    def query_parameters(self) -> Mapping[str, Any]:
        """Return the decisions that callers were given without the database."""
        return {"failsafes": sorted(set(self.service.kept.get("failsafes", ())))}

    def through_proxy(self, fault: FaultSpec, _: Load) -> Injector:
        """Do to the path to the database what the fault says."""
        return ProxyFault(fault, self.testbed.proxy)

    def terminate_sessions(self, fault: FaultSpec, _: Load) -> Injector:
        """End the service's sessions, again and again."""
        return TerminateSessions(fault, self.testbed.dsn, str(fault.parameters["application"]))

    def kill_postgres(self, fault: FaultSpec, _: Load) -> Injector:
        """Kill every process of the database."""
        return Kill(fault, PostgresVictim(self.testbed.postgres))

    def into_the_cut(self, fault: FaultSpec, load: Load, requests: Sequence[Request]) -> Injector:
        """Send requests one after the other, each into a cut at its commit."""

        def send() -> None:
            for request in requests:
                load.burst([request])

        return ProxyFault(fault, self.testbed.proxy, send=send)
