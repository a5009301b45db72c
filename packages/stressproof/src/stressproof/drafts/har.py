"""HAR, what a browser saved of a visit: requests of one service, without what is merely fetched."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from stressproof.drafts.bodies import bare, is_json, multipart_body, secret_query, text_body
from stressproof.drafts.documents import place_of
from stressproof.drafts.draft import Body, Draft, DraftRequest, demand_method, merged
from stressproof.drafts.secrets import Secrets, literal
from stressproof.drafts.target import authorized, hoisted
from stressproof.errors import UsageError
from stressproof.workload.target import origin_of, split_url

_ASSETS = frozenset(
    {"image", "font", "stylesheet", "script", "media", "manifest", "texttrack", "websocket", "ping"}
)
_ASSET_TYPES = ("image/", "font/", "audio/", "video/", "text/css", "text/javascript")
_ASSET_SUBTYPES = ("javascript", "ecmascript", "wasm", "font", "x-font")
_ASSET_PATH = re.compile(
    r"\.(?:m?js|css|map|png|jpe?g|gif|svg|webp|avif|ico|woff2?|ttf|otf|eot|mp[34]|web[mp]|wasm"
    r"|webmanifest)$",
    re.IGNORECASE,
)
_BROWSER = frozenset(
    {
        *("host", "content-length", "connection", "accept-encoding", "user-agent", "referer", "te"),
        *("accept-language", "cache-control", "pragma", "dnt", "priority", "expect", "keep-alive"),
        *("if-none-match", "if-modified-since", "upgrade-insecure-requests", "x-client-data"),
        *("transfer-encoding", "proxy-connection", "upgrade", "save-data", "origin", "purpose"),
    }
)
"""Headers that a browser adds by itself, or that would have the service answer less."""

_REDIRECTS = range(300, 400)
_NOT_MODIFIED = 304
_FAILED = range(400, 600)


class _Pair(Struct):
    name: str
    value: str = ""


class _Part(Struct, rename={"file_name": "fileName", "content_type": "contentType"}):
    name: str
    value: str = ""
    file_name: str | None = None
    content_type: str | None = None


class _Posted(Struct, rename={"mime_type": "mimeType"}):
    mime_type: str | None = ""
    text: str = ""
    params: list[_Part] = []
    encoding: str = ""


class _Request(Struct, rename={"posted": "postData"}):
    method: str
    url: str
    headers: list[_Pair] = []
    posted: _Posted | None = None


class _Content(Struct, rename={"mime_type": "mimeType"}):
    mime_type: str | None = ""


class _Response(Struct):
    status: int = 0
    content: _Content = msgspec.field(default_factory=_Content)


class _Entry(Struct, rename={"resource_type": "_resourceType"}):
    request: _Request
    response: _Response = msgspec.field(default_factory=_Response)
    resource_type: str | None = ""


class _Log(Struct):
    entries: list[_Entry]


class _Har(Struct):
    log: _Log


def draft_of_har(data: bytes, name: str, url: str = "") -> Draft:
    """Return what a visit asked of one service.

    Args:
        data: The file.
        name: How to name it.
        url: The service; that of the visit's first page if empty.

    Raises:
        UsageError: It is no HAR, or holds no request of the service.
    """
    entries = _entries(data, name)
    origins = [_origin(entry.request.url) for entry in entries]
    chosen = _origin(url) if url else _visited(entries, origins)
    base = origin_of(url).base if url else ""
    secrets = Secrets()
    for known in (entry for entry, one in zip(entries, origins, strict=True) if one == chosen):
        # What is a secret in one place is one everywhere, before that place too.
        _request(known, name, "", secrets)
    left: Counter[str] = Counter()
    kept = []
    for number, (entry, origin) in enumerate(zip(entries, origins, strict=True)):
        reason = _left_out(entry, origin, chosen)
        request = None if reason else _request(entry, f"{name}: entry {number}", base, secrets)
        if request is None:
            left[reason or f"not below {base}"] += 1
        else:
            kept.append(request)
    if not kept:
        raise UsageError(
            f"{name}: no request to {chosen or 'any service'} is left of {len(entries)}"
            + "".join(f"; {count} {reason}" for reason, count in left.most_common()),
            hint="Name the service whose requests are meant: stressproof init URL --har FILE.",
        )
    shared, kept = hoisted(kept)
    return Draft(
        source=f"{name} (HAR)",
        url=literal(url.rstrip("/") or chosen),
        requests=merged(kept),
        target=authorized(shared),
        variables=secrets.variables,
        notes=tuple(f"left out: {count} {reason}" for reason, count in left.most_common()),
    )


def _entries(data: bytes, name: str) -> Sequence[_Entry]:
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        found = msgspec.json.decode(data, type=_Har).log.entries
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{name}: no HAR: {error}".replace("`", "'"),
            hint="Save it in the browser's network panel: Save all as HAR.",
        ) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(
            f"{name}{place_of(data, error)}: no JSON, and so no HAR: {error}",
            hint="Save it in the browser's network panel: Save all as HAR.",
        ) from error
    if not found:
        raise UsageError(
            f"{name}: this HAR holds no request",
            hint="Open the network panel before the page is loaded, then save.",
        )
    return found


def _origin(url: str) -> str:
    """Return scheme, host and port of a URL in one form, empty for one that is not HTTP's."""
    scheme, _, authority = split_url(url)[0].lower().partition("://")
    authority = authority.rpartition("@")[2]
    if scheme not in {"http", "https"} or not authority:
        return ""
    return f"{scheme}://{authority}".removesuffix(":80" if scheme == "http" else ":443")


def _visited(entries: Sequence[_Entry], origins: Sequence[str]) -> str:
    """Return the origin of the first page, else of the first request."""
    pages = (
        origin
        for entry, origin in zip(entries, origins, strict=True)
        if origin
        and (
            entry.resource_type == "document"
            or bare(entry.response.content.mime_type) in {"text/html", "application/xhtml+xml"}
        )
    )
    return next(pages, next(filter(None, origins), ""))


def _left_out(entry: _Entry, origin: str, chosen: str) -> str:
    """Return why a request is left out, empty where it is not."""
    if not origin:
        return "not over HTTP"
    if origin != chosen:
        return f"of {origin}"
    if entry.request.method.upper() == "OPTIONS":
        return "a browser's question beforehand (OPTIONS)"
    if entry.response.status <= 0:
        return "without an answer"
    if _is_asset(entry):
        return "for scripts, styles, images and the like"
    return ""


def _is_asset(entry: _Entry) -> bool:
    kind = bare(entry.response.content.mime_type)
    path = split_url(entry.request.url)[1].partition("?")[0]
    return (
        entry.resource_type in _ASSETS
        or kind.startswith(_ASSET_TYPES)
        or kind.rpartition("/")[2].startswith(_ASSET_SUBTYPES)
        or _ASSET_PATH.search(path) is not None
    )


def _request(entry: _Entry, where: str, base: str, secrets: Secrets) -> DraftRequest | None:
    """Return a request as the file has it; None where it does not lie below the base path."""
    asked, status = entry.request, entry.response.status
    path = split_url(asked.url)[1]
    if base:
        if not f"{path}/".startswith((f"{base}/", f"{base}?")):
            return None
        path = path[len(base) :]
        path = path if path.startswith("/") else f"/{path}"
    path, query = secret_query(path, secrets)
    body = _body(asked.posted, secrets)
    json = is_json(bare(entry.response.content.mime_type))
    return DraftRequest(
        method=demand_method(asked.method, where),
        path=path,
        query=query,
        headers=_headers(asked.headers, secrets, body),
        body=body,
        expect=(status,) if status in _REDIRECTS and status != _NOT_MODIFIED else (),
        check=("json",) if json and status not in _REDIRECTS else (),
        unfit=_unfit(status, body),
    )


def _unfit(status: int, body: Body | None) -> str:
    if status in _FAILED:
        return f"it was answered {status}"
    if body is not None and body.kind == "multipart":
        return "the files that it sends have to lie beside this one"
    return ""


def _headers(pairs: Iterable[_Pair], secrets: Secrets, body: Body | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        lower = pair.name.lower()
        browsers = lower in _BROWSER or lower.startswith((":", "sec-", "proxy-"))
        if browsers or (lower, pair.value) == ("accept", "*/*"):
            continue
        if lower == "content-type" and body is not None:
            continue
        if lower == "cookie" and lower in found:
            found[lower] += f"; {secrets.header(lower, pair.value)}"
        else:
            found[lower] = secrets.header(lower, pair.value)
    return found


def _body(posted: _Posted | None, secrets: Secrets) -> Body | None:
    if posted is None or not (posted.text or posted.params):
        return None
    if posted.params and bare(posted.mime_type) == "multipart/form-data":
        parts: dict[str, Any] = {}
        for one in posted.params:
            file = {"file": one.file_name or ""} | (
                {"type": one.content_type} if one.content_type else {}
            )
            parts[one.name] = file if one.file_name else one.value
        return multipart_body(parts, secrets)
    if not posted.text:
        fields = {
            p.name: secrets.text(p.name, p.value, f"the form's {p.name}") for p in posted.params
        }
        return Body("form", fields)
    return text_body(posted.text.encode(errors="replace"), posted.mime_type or "", secrets)
