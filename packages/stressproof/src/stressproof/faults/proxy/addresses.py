"""Addresses of proxies as people write them: where one listens, and what is behind it."""

import re
import socket
from collections.abc import Collection
from typing import Final, NamedTuple

from stressproof.errors import UsageError
from stressproof.failures.loopback import require_loopback
from stressproof.failures.upstream import http_upstream
from stressproof.faults.proxy.toxics import Protocol
from stressproof.workload.target import Origin

_HOST_PORT: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]\s/@]*):(?P<port>[0-9]{1,5})")
_PORTS: Final = range(2**16)


class Address(NamedTuple):
    """A host, by name or address and without brackets, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Upstream(NamedTuple):
    """What is behind a proxy.

    Attributes:
        host: By name or address, without brackets.
        port: Where it listens.
        secure: Whether it speaks TLS; who connects to the proxy does not.
        authority: What requests of HTTP name as their ``Host``; empty for what they named.
    """

    host: str
    port: int
    secure: bool = False
    authority: str = ""

    def __str__(self) -> str:
        """Return it as it is written."""
        if self.authority:
            return f"{'https' if self.secure else 'http'}://{self.authority}"
        return str(Address(self.host, self.port))


def parse_upstream(
    text: str, *, protocol: Protocol = "tcp", allowed: Collection[str] = ()
) -> Upstream:
    """Return what is behind a proxy: ``host:port``, or ``https://host[:port]`` of HTTP.

    Args:
        text: As somebody wrote it.
        protocol: Of the proxy.
        allowed: Hosts beside loopback that the operator allows.

    Raises:
        UsageError: It is no address, or neither on loopback nor allowed.
    """
    found = Upstream(*_parse(text)) if "://" not in text else _of(http_upstream(text, protocol))
    if not found.host or not found.port:
        raise UsageError(f"{text!r} names no server", hint="Write host:port: 127.0.0.1:5432.")
    require_loopback(found.host, allowed=allowed)
    return found


def _of(origin: Origin) -> Upstream:
    return Upstream(origin.host, origin.port, origin.secure, origin.authority)


def parse_listen(text: str) -> Address:
    """Return where to listen: ``port``, ``host:port`` on loopback, port 0 for a free one.

    Raises:
        UsageError: It is no address, or not on loopback.
    """
    found = _parse(text if ":" in text else f":{text}")
    host = "127.0.0.1" if found.host in ("", "localhost") else found.host
    require_loopback(host)
    return Address(host, found.port)


def refuses(host: str, port: int, *, wait_s: float = 1.0) -> bool:
    """Return whether a connection is refused, by asking for one; one that is slow is not."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as asking:
        asking.settimeout(wait_s)
        try:
            asking.connect((host, port))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False  # it may be slow, or full; that is no refusal
    return False


def _parse(text: str) -> Address:
    match = _HOST_PORT.fullmatch(text)
    if match is None or int(match["port"]) not in _PORTS:
        raise UsageError(
            f"{text.removeprefix(':')!r} is no address",
            hint=f"Write host:port, a port up to {_PORTS[-1]:,}: 127.0.0.1:5432.",
        )
    return Address(match["host"].strip("[]"), int(match["port"]))
