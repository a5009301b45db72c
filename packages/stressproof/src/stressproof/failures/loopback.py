"""Where faults may go: this machine's loopback, and what an operator allows by name."""

import ipaddress
from collections.abc import Collection

from stressproof.errors import UsageError


def require_loopback(host: str, *, allowed: Collection[str] = ()) -> None:
    """Refuse any host that is not this machine's loopback, given as a name or an address.

    Args:
        host: To be proxied or broken.
        allowed: Hosts that the operator allows, exactly as they are written.

    Raises:
        UsageError: It is another.
    """
    if host == "localhost" or host in allowed:
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UsageError(
            f"faults go to loopback only, and {host!r} is not on it",
            hint="Inject into a service and a database on this machine, or let the operator allow "
            "the host with --allow-upstream HOST.",
        )
