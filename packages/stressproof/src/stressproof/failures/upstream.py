"""What an HTTP proxy can be put before: the same for a file's plan and for a proxy by hand."""

from stressproof.errors import UsageError
from stressproof.workload.target import Origin, origin_of


def http_upstream(url: str, protocol: str) -> Origin:
    """Return the origin that a URL names.

    Args:
        url: Of what is behind the proxy.
        protocol: That the proxy speaks.

    Raises:
        UsageError: It is no URL of HTTP, has a path, or the proxy speaks something else.
    """
    origin = origin_of(url)
    if protocol != "http":
        raise UsageError(
            f"{url} is HTTP, and the proxy's protocol is {protocol}",
            hint="Give the proxy the protocol 'http', or write host:port.",
        )
    if origin.base:
        raise UsageError(f"{url} has a path", hint="Write its scheme, host and port alone.")
    return origin
