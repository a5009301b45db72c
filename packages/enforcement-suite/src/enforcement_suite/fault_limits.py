"""What the faults of the failure scenarios are not, and which ones nobody injects."""

from collections.abc import Mapping
from typing import Final

LIMITS: Final = (
    "SIGKILL of the server is a process crash and no power loss: what the kernel had was kept.",
    "The proxy is a user-space process: it delays, holds and resets, and drops no packets.",
    "Schedules are seeded; operating system, network and database are not, so no run repeats.",
    "Kernel faults (packet loss, full disk, memory pressure, clock steps) are not injected.",
)
"""What the faults are not, wherever their results are shown."""

UNSUPPORTED: Final[Mapping[str, str]] = {
    "packet_loss": (
        "needs a kernel with netem and the right to use it; a user-space proxy drops no packets"
    ),
    "power_loss": "needs a block device or FUSE layer that forgets what was not synced",
    "clock_step": "needs every process of service and database under a shifted clock",
    "deadlock": (
        "every transaction of the service takes one tenant's row first: there is no second order"
    ),
}
"""Faults that cannot be injected here: said, never skipped in silence."""
