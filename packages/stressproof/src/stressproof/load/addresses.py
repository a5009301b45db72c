"""Where a target is, and how it is to prove who it is."""

import socket
from typing import TYPE_CHECKING, NamedTuple

from stressproof.errors import TargetError, UsageError
from stressproof.load.socket_errors import describe
from stressproof.workload.target import Target, origin_of

if TYPE_CHECKING:
    import ssl


NO_HTTP2 = "the server does not offer HTTP/2 in the handshake (ALPN)"


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
    """Return the addresses of a target, the preferred one first (RFC 6724, by the system).

    Raises:
        TargetError: Its name means nothing.
    """
    origin = origin_of(target.url)
    host = target.address or origin.host
    flags = socket.AI_NUMERICHOST if target.address else 0
    try:
        found = socket.getaddrinfo(host, origin.port, type=socket.SOCK_STREAM, flags=flags)
    except OSError as error:
        raise TargetError(
            f"the host {host!r} cannot be resolved: {error.strerror or error}",
            hint="check the URL's spelling and the network's name service",
        ) from error
    addresses: list[Address] = []
    for family, _, _, _, place in found:
        if family in {socket.AF_INET, socket.AF_INET6}:
            scope = int(place[-1]) if family == socket.AF_INET6 else 0
            # The scope is a number of its own; a zone in the text would be looked up once more.
            host = str(place[0]).partition("%")[0]
            addresses.append(Address(family, host, int(place[1]), scope))
    return addresses


def server_name(target: Target) -> str:
    """Return the name that a target's certificate must have; of an address, without its zone."""
    return target.server_name or origin_of(target.url).host.partition("%")[0]


def tls_context(target: Target) -> "ssl.SSLContext | None":
    """Return how a target is verified and whom we say to be, None where it is plain HTTP.

    The system's authorities are those of OpenSSL, ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` included.

    Raises:
        UsageError: A file of authorities, certificates or keys cannot be used.
    """
    if not origin_of(target.url).secure:
        return None
    import ssl  # noqa: PLC0415  # four megabytes that plain HTTP does without

    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([target.protocol])
    if target.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if target.ca_file is not None:
        try:
            context.load_verify_locations(cafile=target.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"the authorities in {target.ca_file} cannot be read: {describe(error)}",
                hint="name a file of certificates in PEM form",
            ) from error
    if target.cert_file is not None:
        try:
            context.load_cert_chain(target.cert_file, target.key_file, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            files = " and ".join(filter(None, (target.cert_file, target.key_file)))
            raise UsageError(
                f"the client certificate in {files} cannot be used: {describe(error)}",
                hint="name a certificate and its key in PEM form, the key without a password",
            ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")
