"""Where a target is, and how it is to prove who it is."""

import socket
from typing import TYPE_CHECKING, NamedTuple

from stressproof.errors import TargetError, UsageError
from stressproof.workload.target import Target, origin_of

if TYPE_CHECKING:
    import ssl


class Address(NamedTuple):
    """Where a target can be reached: address family, numeric host, port, and IPv6 scope."""

    family: int
    host: str
    port: int
    scope: int

    def place(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """Return it as the socket module wants it."""
        if self.family == socket.AF_INET6:
            return self.host, self.port, 0, self.scope
        return self.host, self.port


def resolve(target: Target) -> list[Address]:
    """Return the addresses of a target.

    Raises:
        TargetError: Its name means nothing.
    """
    origin = origin_of(target.url)
    try:
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TargetError(
            f"the host {origin.host!r} cannot be resolved: {error.strerror or error}",
            hint="check the URL's spelling and the network's name service",
        ) from error
    addresses: list[Address] = []
    for family, _, _, _, place in found:
        if family in {socket.AF_INET, socket.AF_INET6}:
            scope = int(place[-1]) if family == socket.AF_INET6 else 0
            addresses.append(Address(family, str(place[0]), int(place[1]), scope))
    return addresses


def tls_context(target: Target) -> "ssl.SSLContext | None":
    """Return how a target is verified, None where it is plain HTTP.

    Raises:
        UsageError: The file of authorities cannot be used.
    """
    if not origin_of(target.url).secure:
        return None
    import ssl  # noqa: PLC0415  # four megabytes that plain HTTP does without

    try:
        context = ssl.create_default_context(cafile=target.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the authorities in {target.ca_file} cannot be read: {error}",
            hint="name a file of certificates in PEM form",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
