"""Faults of the service that nobody injects."""

from collections.abc import Mapping
from typing import Final

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
