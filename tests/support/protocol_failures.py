"""The failure scenarios of the protocol, by name, as the suite's file has them."""

from enforcement_suite.failure_requirements import FAILURE

SCENARIOS = FAILURE.scenarios
FI_001, FI_002, FI_003, FI_004, FI_005 = SCENARIOS
BY_ID = {one.id: one for one in SCENARIOS}

GATE = FI_001.requests[0]
"""A gate of the load, and what its answers mean."""

FORGERIES = tuple(
    kind.removeprefix("tamper_")
    for check in FI_003.checks
    if check.id == "only" and isinstance(kinds := check.parameters["of"], tuple)
    for kind in kinds
)
"""How tokens are forged in FI-003."""

CHAIN_UNBROKEN = FI_001.invariants[0]
"""An invariant of every scenario, in baseline and trial alike."""

READ = FI_001.requests[3]
"""A plain read of the load."""
