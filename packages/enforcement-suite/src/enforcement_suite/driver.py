"""What the drivers of all scenarios share: the service, and how their effects are found again."""

from collections.abc import Mapping
from typing import Any

from enforcement_suite.service import Enforcement
from enforcement_suite.testbed import EnforcementTestbed
from stressproof.faults.driver import ScenarioDriver


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
