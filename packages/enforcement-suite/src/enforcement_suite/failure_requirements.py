"""What the protocol asks of failure evidence: every scenario of the file, with every fault."""

from pathlib import Path
from typing import Final

from stressproof.config.compile import load_config
from stressproof.config.failure_requirements import FailureRequirements
from stressproof.config.file_failures import planned_failures

FILE: Final = Path(__file__).parent / "failures" / "stressproof.toml"
"""The failure scenarios of the protocol, with what they run on."""

FAILURE: Final = FailureRequirements(
    profile="enforcement_failure_injection",
    scenarios=planned_failures(load_config(FILE)).scenarios,
    min_workers=2,
    require_health=True,
    gate_max_age_hours=48.0,
    database_engine="postgresql",
)
