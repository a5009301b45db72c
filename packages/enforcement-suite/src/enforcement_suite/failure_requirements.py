"""What the protocol asks of failure evidence: every scenario, staged, with every fault."""

from typing import Final

from stressproof.config.failure_requirements import FailureRequirements

FAILURE: Final = FailureRequirements(
    profile="enforcement_failure_injection",
    runner="staged_failure_injection",
    execution_class="staged",
    scenarios=("FI-001", "FI-002", "FI-003", "FI-004", "FI-005"),
    gate_max_age_hours=48.0,
    database_engine="postgresql",
)
