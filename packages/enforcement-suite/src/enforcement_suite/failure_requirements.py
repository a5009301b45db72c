"""What the protocol asks of failure evidence: every scenario, staged, with every fault."""

from typing import Final

from enforcement_suite.scenarios import SCENARIOS
from stressproof.config.failure_requirements import FailureRequirements

FAILURE: Final = FailureRequirements(
    profile="enforcement_failure_injection",
    runner="staged_failure_injection",
    execution_class="staged",
    scenarios=SCENARIOS,
    min_workers=2,
    require_health=True,
    gate_max_age_hours=48.0,
    database_engine="postgresql",
)
