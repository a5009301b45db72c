"""Whom to ask: the service under load and what its URL says."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.workload.auth import Auth, BearerAuth
from stressproof.workload.redaction import masked

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A method or a header's name."""
PATH = re.compile(r"/[\x21-\x7e]*")
"""A path as it goes over the wire."""
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_BY_US = frozenset({"content-length", "transfer-encoding", "connection", "host", "expect"})


class Origin(NamedTuple):
    """Where a URL leads.

    Attributes:
        secure: Whether it is HTTPS.
        host: Name or address, an IPv6 one without brackets but with its zone (``fe80::1%eth0``).
        port: TCP port.
        base: Path before every endpoint's path, empty or beginning with a slash.
        authority: ``host[:port]`` as the Host header has it: a zone means nothing elsewhere.
    """

    secure: bool
    host: str
    port: int
    base: str
    authority: str


class Target(Struct, frozen=True):
    """The service under load.

    Attributes:
        url: ``http[s]://host[:port][/base]``.
        headers: Sent with every request; those that carry credentials are masked when shown.
        ca_file: PEM file of authorities to trust beside the system's.
        server_name: Name to ask for and to verify instead of the URL's host.
        insecure: Whether any certificate will do; evidence says so, and gates refuse it.
        cert_file: PEM file of the certificate to show to a server that asks for one, and its chain.
        key_file: PEM file of its key; None where ``cert_file`` holds it too.
        address: Numeric address to connect to, whatever the URL's host resolves to.
        http2: Whether to speak HTTP/2: agreed on by ALPN over TLS, by prior knowledge without.
        auth: As whom; an ``Authorization`` header that is given goes before it.
    """

    url: str
    headers: dict[str, str] = {}
    ca_file: str | None = None
    server_name: str | None = None
    insecure: bool = False
    cert_file: str | None = None
    key_file: str | None = None
    address: str | None = None
    http2: bool = False
    auth: Auth | None = None

    def __post_init__(self) -> None:
        origin = origin_of(self.url)
        demand_headers(self.headers)
        if not origin.secure and (self.ca_file or self.cert_file or self.insecure):
            raise UsageError(
                f"{self.url} is plain HTTP, which knows no certificates",
                hint="leave certificates out, or write https://",
            )
        if self.key_file and not self.cert_file:
            raise UsageError("a key was given without a certificate", hint="name both, or neither")

    @property
    def protocol(self) -> str:
        """What is spoken, as ALPN names it."""
        return "h2" if self.http2 else "http/1.1"

    def __repr__(self) -> str:
        return (
            f"Target(url={self.url!r}, headers={masked(self.headers)!r}, "
            f"ca_file={self.ca_file!r}, server_name={self.server_name!r}, "
            f"insecure={self.insecure}, cert_file={self.cert_file!r}, address={self.address!r}, "
            f"http2={self.http2}, auth={self.auth!r})"
        )


def with_token(target: Target, token: str) -> Target:
    """Return a target that is asked with a bearer token."""
    return msgspec.structs.replace(target, auth=BearerAuth(token))


def origin_of(url: str) -> Origin:
    """Take a target's URL apart.

    Raises:
        UsageError: It is no absolute HTTP URL, or holds credentials, a query or a fragment.
    """
    from urllib.parse import urlsplit  # noqa: PLC0415  # 3 ms that a verification does without

    problem = ""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _bad_url(url, str(error)) from error
    if parts.scheme not in {"http", "https"}:
        problem = "the scheme must be http or https"
    elif not host:
        problem = "it names no host"
    elif "@" in parts.netloc:
        problem = "credentials do not belong in it"
    elif parts.query or parts.fragment:
        problem = "it must end with the host or a path"
    elif port == 0:
        problem = "port 0 cannot be connected to"
    if problem:
        raise _bad_url("…" if "@" in parts.netloc else url, problem)
    try:
        name = _with_plain_zone(host) if ":" in host else host.encode("idna").decode()
    except UnicodeError as error:
        raise _bad_url(url, f"the host {host!r} is not a valid name") from error
    base = parts.path.rstrip("/")
    if base and not PATH.fullmatch(base):
        raise _bad_url(url, "percent-encode what is not plain ASCII")
    secure = parts.scheme == "https"
    shown = f"[{name.partition('%')[0]}]" if ":" in name else name
    return Origin(
        secure=secure,
        host=name,
        port=port or (443 if secure else 80),
        base=base,
        authority=shown if port is None else f"{shown}:{port}",
    )


def split_url(url: str) -> tuple[str, str]:
    """Return what stands before a URL's path, and path and query as they go over the wire."""
    scheme, separator, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    tail = rest[len(authority) :].partition("#")[0]
    sent = "".join(
        char
        if "\x21" <= char <= "\x7e"
        else "".join(f"%{b:02X}" for b in char.encode(errors="replace"))
        for char in tail
    )
    return f"{scheme}{separator}{authority}", sent if sent.startswith("/") else f"/{sent}"


def _with_plain_zone(address: str) -> str:
    """Return an IPv6 address with its zone as it is: RFC 6874 has ``%25lo`` for it."""
    plain, percent, zone = address.partition("%")
    return plain + percent + (zone.removeprefix("25") or zone)


def _bad_url(url: str, problem: str) -> UsageError:
    return UsageError(
        f"the target's URL {url!r} cannot be used: {problem}",
        hint="write it as http://host:port or https://host, and credentials as a header",
    )


def is_header_value(value: str) -> bool:
    """Return whether a text can be the value of a header: one line of Latin-1."""
    return _VALUE.fullmatch(value) is not None


def demand_headers(headers: Mapping[str, str]) -> None:
    """Refuse headers that would break the request.

    Raises:
        UsageError: A name is no token, a value holds a line break, or the header is ours to set.
    """
    for name, value in headers.items():
        if not TOKEN.fullmatch(name):
            raise UsageError(f"{name!r} is not a header's name", hint="write it as Name: value")
        if not is_header_value(value):
            raise UsageError(
                f"the value of the header {name} holds characters that HTTP forbids",
                hint="a header's value is one line of Latin-1 text",
            )
        if name.lower() in _BY_US:
            raise UsageError(
                f"the header {name} is the generator's to set", hint=f"leave {name} out"
            )
