"""The five scenarios: how each prepares, what its load asks, and how its faults are made."""

from collections.abc import Callable
from typing import Final

from stressproof.faults.scenarios.fail_safe import FailSafe
from stressproof.faults.scenarios.limiter import Limiter
from stressproof.faults.scenarios.lock import LockContention
from stressproof.faults.scenarios.settlement import Settlement
from stressproof.faults.scenarios.tokens import Tokens
from stressproof.faults.trial import ScenarioDriver

SCRIPTS: Final[dict[str, Callable[[], ScenarioDriver]]] = {
    "FI-001": FailSafe,
    "FI-002": LockContention,
    "FI-003": Tokens,
    "FI-004": Settlement,
    "FI-005": Limiter,
}
"""A fresh script for each trial, by scenario."""
