"""Where faults may go: this machine's loopback and nowhere else."""

import ipaddress

from stressproof.errors import UsageError


def require_loopback(host: str) -> None:
    """Refuse any host that is not this machine's loopback, given as a name or an address.

    Raises:
        UsageError: It is another.
    """
    if host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UsageError(
            f"faults go to loopback only, and {host!r} is not on it",
            hint="Inject into a service and a database on this machine.",
        )
