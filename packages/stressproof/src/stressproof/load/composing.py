"""A request to a target as bytes with holes, for both protocols."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from stressproof.errors import UsageError
from stressproof.load.hpack_stateless import encode_fields
from stressproof.version import __version__
from stressproof.workload.auth import BasicAuth, BearerAuth, authorization
from stressproof.workload.bodies import CompiledBody, compile_body
from stressproof.workload.requests import Request
from stressproof.workload.target import Target, demand_headers, origin_of
from stressproof.workload.templates import Place, Template

Message = bytes | tuple[bytes, bytes]
"""A request as it is sent: all of it for HTTP/1.1, header block and body for HTTP/2."""

_HTTP1_ONLY = frozenset({"keep-alive", "proxy-connection", "te", "upgrade"})  # RFC 9113, 8.2.2
NOTHING: Mapping[str, Any] = MappingProxyType({})
_BODYLESS_METHODS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"})


class Composed(NamedTuple):
    """A request, compiled: what is the same each time, and holes.

    Attributes:
        url: Path and query, the target's base path before them.
        head: Request line and headers, without the blank line and what depends on the body.
        body: Empty for none.
        announced: Whether the length of the body is said although it may be empty.
        fields: What ``head`` says, as HTTP/2 has it.
        needs: The placeholders that occur.
        http2: Whether its target speaks HTTP/2.
    """

    url: Template
    head: Template
    body: Template
    announced: bool
    fields: tuple[tuple[bytes, Template], ...]
    needs: frozenset[str]
    http2: bool

    def message(self, values: Mapping[str, Any] = NOTHING) -> Message:
        """Return the request as its target's protocol has it, with values for its placeholders."""
        return self.stream(values) if self.http2 else self.whole(values)

    def whole(self, values: Mapping[str, Any] = NOTHING) -> bytes:
        """Return the request of HTTP/1.1 with values for its placeholders."""
        head, body = self.head.fill(values), self.body.fill(values)
        if body or self.announced:
            return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
        return head + b"\r\n"

    def stream(self, values: Mapping[str, Any] = NOTHING) -> tuple[bytes, bytes]:
        """Return header block and body of HTTP/2 with values for the placeholders."""
        fields = tuple((name, value.fill(values)) for name, value in self.fields)
        body = self.body.fill(values)
        if body or self.announced:
            fields += ((b"content-length", b"%d" % len(body)),)
        return encode_fields(fields), body


def compose(
    target: Target,
    method: str,
    url: Template,
    headers: Iterable[Mapping[str, str]],
    body: CompiledBody | None,
) -> Composed:
    """Return a request to a target.

    Args:
        target: Its headers come first.
        method: As it is sent.
        url: Path and query after the target's base path, byte by byte as they are given.
        headers: Further ones; the last of a name wins, whatever its case.
        body: None for none.

    Raises:
        UsageError: A header would break the request.
    """
    origin = origin_of(target.url)
    merged = {
        "user-agent": ("User-Agent", f"stressproof/{__version__}"),
        "accept": ("Accept", "*/*"),
    }
    if isinstance(target.auth, BasicAuth | BearerAuth):
        merged["authorization"] = ("Authorization", authorization(target.auth))
    if body is not None and body.content_type:
        merged["content-type"] = ("Content-Type", body.content_type)
    for given in (target.headers, *headers):
        demand_headers(given)
        if target.http2 and (unfit := _HTTP1_ONLY.intersection(map(str.lower, given))):
            raise UsageError(
                f"HTTP/2 has no header {', '.join(sorted(unfit))}", hint="leave it out"
            )
        merged.update({name.lower(): (name, value) for name, value in given.items()})
    base = origin.base.encode("latin-1")
    place = Template.joined([Template([base]), url])
    lines = [
        Template([method.encode() + b" "]),
        place,
        Template([f" HTTP/1.1\r\nHost: {origin.authority}\r\n".encode("latin-1")]),
        *(Template.of(f"{name}: {value}\r\n", Place.HEADER) for name, value in merged.values()),
    ]
    pseudo = {
        b":method": Template([method.encode()]),
        b":scheme": Template([b"https" if origin.secure else b"http"]),
        b":path": place,
        b":authority": Template([origin.authority.encode("latin-1")]),
    }
    fields = [
        (name.encode("latin-1"), Template.of(value.strip(), Place.HEADER))
        for name, (_, value) in merged.items()
    ]
    head = Template.joined(lines)
    content = Template(()) if body is None else body.content
    return Composed(
        place,
        head,
        content,
        method not in _BODYLESS_METHODS,
        (*pseudo.items(), *fields),
        head.needs | content.needs,
        target.http2,
    )


def compose_request(target: Target, request: Request) -> list[Composed]:
    """Return a request compiled, once for each set of rotated headers."""
    url, body = compiled_parts(request)
    return [
        compose(target, request.method, url, (request.headers, rotated), body)
        for rotated in (request.rotate or ({},))
    ]


def compiled_parts(request: Request) -> tuple[Template, CompiledBody | None]:
    """Return path and query of a request, and its body, compiled."""
    url = Template.joined([Template.of(request.path, Place.URL), *_query(request)])
    return url, None if request.body is None else compile_body(request.body)


def _query(request: Request) -> Iterator[Template]:
    mark = b"&" if "?" in request.path else b"?"
    for name, value in request.query:
        yield Template([mark])
        yield Template.of(name, Place.QUERY)
        yield Template([b"="])
        yield Template.of(value, Place.QUERY)
        mark = b"&"
