"""Whether a host of a URL is this machine, in whatever way it is written.

Resolvers read more than four decimal numbers (``127.1``, ``0x7f.1``, ``017700000001``), IPv6 has
ways of carrying an IPv4 address, and names may be made to mean any of them. Nothing is resolved
here: a full artifact also says which addresses were connected to, and they are held to the same.
"""

import re
from ipaddress import IPv6Address, ip_address

_NAMES = frozenset(
    {
        *("localhost", "localhost4", "localhost6", "loopback", "ip6-localhost", "ip6-loopback"),
        # What a container calls the machine that it runs on.
        *("host.docker.internal", "gateway.docker.internal", "host.containers.internal"),
        *("kubernetes.docker.internal", "host.minikube.internal", "host.lima.internal"),
    }
)
_DOMAINS = (
    *(".localhost", ".localdomain", ".localdomain4", ".localdomain6"),
    # Public names that everybody resolves to 127.0.0.1.
    *(".localtest.me", ".lvh.me", ".vcap.me", ".lacolhost.com", ".localho.st", ".local.gd"),
)
_EMBEDDING = (".nip.io", ".sslip.io", ".xip.io", ".traefik.me")
_EMBEDDED = re.compile(r"(?:^|[.-])(?:127(?:[.-]\d+){3}|0[.-]0[.-]0[.-]0|7f[0-9a-f]{6})(?=[.-])")
_PART = re.compile(r"0x[0-9a-f]*|[0-9]+", re.ASCII)
_IPV4_PARTS = 4
_IPV4_BITS = 32
_CARRIERS = frozenset({0, 0xFFFF, 0xFFFF << 16, 0x64FF9B << 64})
"""The upper 96 bits of ``::a.b.c.d``, ``::ffff:``, ``::ffff:0:`` and ``64:ff9b::``."""
_SIX_TO_FOUR = 0x2002
_LOOPBACK_NETS = frozenset({0, 127})  # 0.0.0.0 connects to this machine


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, as a name or an address in any notation."""
    name = host.strip("[]").lower().partition("%")[0].rstrip(".")
    number = _ipv4(name)
    if number is not None:
        return number >> 24 in _LOOPBACK_NETS
    try:
        address = ip_address(name)
    except ValueError:
        return _is_name(name)
    return isinstance(address, IPv6Address) and _carries_loopback(int(address))


def _is_name(name: str) -> bool:
    dotted = f".{name}"
    if name in _NAMES or dotted.endswith(_DOMAINS):
        return True
    return name.endswith(_EMBEDDING) and _EMBEDDED.search(name) is not None


def _ipv4(name: str) -> int | None:
    """Return an IPv4 address as inet_aton(3) reads it, None where it is none."""
    parts = name.split(".")
    if len(parts) > _IPV4_PARTS or not all(_PART.fullmatch(part) for part in parts):
        return None
    try:
        numbers = [
            int(part[2:] or "0", 16) if part[:2] == "0x" else _decimal(part) for part in parts
        ]
    except ValueError:
        return None
    *upper, last = numbers
    if any(number > 0xFF for number in upper) or last >> (8 * (_IPV4_PARTS - len(upper))):  # noqa: PLR2004  # a byte
        return None
    for place, number in enumerate(upper):
        last |= number << (8 * (_IPV4_PARTS - 1 - place))
    return last


def _decimal(part: str) -> int:
    return int(part, 8) if part.startswith("0") and len(part) > 1 else int(part)


def _carries_loopback(address: int) -> bool:
    if address in {0, 1}:
        return True
    if address >> 112 == _SIX_TO_FOUR:
        return address >> 104 & 0xFF in _LOOPBACK_NETS
    low = address & ((1 << _IPV4_BITS) - 1)
    return address >> _IPV4_BITS in _CARRIERS and low >> 24 in _LOOPBACK_NETS
