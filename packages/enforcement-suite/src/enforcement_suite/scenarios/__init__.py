"""The failure scenarios of the protocol, as data; nothing here imports what drives them."""

from typing import Final

from enforcement_suite.scenarios.fail_safe.spec import FI_001
from enforcement_suite.scenarios.limiter.spec import FI_005
from enforcement_suite.scenarios.lock.spec import FI_002
from enforcement_suite.scenarios.settlement.spec import FI_004
from enforcement_suite.scenarios.tokens.spec import FI_003
from stressproof.evidence.failure import Unsupported

SCENARIOS: Final = (FI_001, FI_002, FI_003, FI_004, FI_005)
"""In order."""

LIMITS: Final = (
    "SIGKILL of the server is a process crash and no power loss: what the kernel had was kept.",
    "The proxy is a user-space process: it delays, holds and resets, and drops no packets.",
    "Schedules are seeded; operating system, network and database are not, so no run repeats.",
    "Kernel faults (packet loss, full disk, memory pressure, clock steps) are not injected.",
)
"""What the faults are not, wherever their results are shown."""

UNSUPPORTED: Final = (
    Unsupported(
        "packet_loss",
        "needs a kernel with netem and the right to use it; a user-space proxy drops no packets",
    ),
    Unsupported(
        "power_loss", "needs a block device or FUSE layer that forgets what was not synced"
    ),
    Unsupported("clock_step", "needs every process of service and database under a shifted clock"),
    Unsupported(
        "deadlock",
        "every transaction of the service takes one tenant's row first: there is no second order",
    ),
)
"""Faults that nobody can inject here: said, never skipped in silence."""
