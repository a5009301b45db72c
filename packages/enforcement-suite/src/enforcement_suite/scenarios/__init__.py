"""The failure scenarios of the protocol, as data; nothing here imports what drives them."""

from typing import Final

from enforcement_suite.scenarios.fail_safe.spec import FI_001
from enforcement_suite.scenarios.limiter.spec import FI_005
from enforcement_suite.scenarios.lock.spec import FI_002
from enforcement_suite.scenarios.settlement.spec import FI_004
from enforcement_suite.scenarios.tokens.spec import FI_003

SCENARIOS: Final = (FI_001, FI_002, FI_003, FI_004, FI_005)
"""In order."""
