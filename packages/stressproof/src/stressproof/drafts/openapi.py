"""OpenAPI 3 and Swagger 2 as requests: paths, parameters, bodies and credentials."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stressproof.drafts.documents import read_document
from stressproof.drafts.draft import Draft, DraftRequest
from stressproof.drafts.operations import Operations
from stressproof.drafts.schema_examples import Resolver
from stressproof.drafts.secrets import Secrets, literal
from stressproof.drafts.security import Credentials
from stressproof.errors import UsageError

DEFAULT_URL = "http://127.0.0.1:8000"
_METHODS = ("get", "head", "post", "put", "patch", "delete")
_OTHERS = ("options", "trace", "query")
_VERSION = re.compile(r"3\.[0-9]+(?:\.[0-9]+)?(?:-.*)?|2\.0")


def draft_of_openapi(data: bytes, name: str, *, url: str = "", fetched_from: str = "") -> Draft:
    """Return what a description offers.

    Args:
        data: The description, JSON or YAML.
        name: How to name it.
        url: The service; the description's first server if empty.
        fetched_from: The description's own URL, which its servers may be relative to.

    Raises:
        UsageError: It is no description that is read here, or offers nothing.
    """
    document = read_document(data, name)
    version = _version(document, name)
    resolver, secrets = Resolver(document), Secrets()
    credentials = Credentials(document, resolver, secrets)
    operations = Operations(document, resolver, secrets)
    notes: list[str] = []
    requests: list[DraftRequest] = []
    for path, method, item in _operations(document, resolver, name, notes):
        if not path.startswith("/"):
            raise UsageError(f"{name}: the path {path!r} does not begin with /")
        made = operations.request(path, method, item)
        requests.append(credentials.on(made, item.get("security")))
    if not requests:
        raise UsageError(
            f"{name} offers no request: it has no paths",
            hint="Name the description of the service itself.",
        )
    server = url or _server(document, fetched_from)
    if not server:
        server = f"${{API_URL:-{DEFAULT_URL}}}"
        notes.append(f"the description names no server: {DEFAULT_URL} is a guess")
    elif not url:
        server = literal(server)
    info = document.get("info")
    title = info.get("title") if isinstance(info, dict) else None
    words = [f"{'Swagger' if version == '2.0' else 'OpenAPI'} {version}"]
    words += [str(title)] if title else []
    return Draft(
        source=f"{name} ({', '.join(words)})",
        url=server,
        requests=tuple(requests),
        target=credentials.target(),
        variables=secrets.variables,
        notes=(*notes, *operations.notes, *credentials.notes),
    )


def _version(document: Mapping[str, Any], name: str) -> str:
    version = document.get("openapi", document.get("swagger"))
    text = "" if version is None else str(version)
    if _VERSION.fullmatch(text):
        return text
    if version is not None:
        raise UsageError(
            f"{name} is OpenAPI {text[:20]}, which is not read here",
            hint="Publish it as OpenAPI 3 or Swagger 2.0.",
        )
    info = document.get("info")
    postman = isinstance(info, dict) and "getpostman" in str(info.get("schema"))
    log = document.get("log")
    seen = "a Postman collection" if postman else "no OpenAPI description: it has no openapi key"
    if isinstance(log, dict) and "entries" in log:
        raise UsageError(f"{name} is a HAR", hint=f"stressproof init --har {name}")
    raise UsageError(f"{name} is {seen}", hint="Name an OpenAPI 3 or Swagger 2.0 description.")


def _operations(
    document: Mapping[str, Any], resolver: Resolver, name: str, notes: list[str]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and operation, with the parameters that its path has for all."""
    paths = document.get("paths", {})
    if not isinstance(paths, dict):
        raise UsageError(f"{name}: paths is no table")
    left = 0
    for path, one in paths.items():
        if path.startswith("x-"):
            continue
        item = resolver.follow(one)
        for method in _METHODS:
            operation = item.get(method)
            if operation is None:
                continue
            if not isinstance(operation, dict):
                raise UsageError(f"{name}: paths.{path}.{method} is no table")
            yield (
                path,
                method.upper(),
                operation | {"parameters": _parameters(item, operation, resolver)},
            )
        left += sum(isinstance(item.get(method), dict) for method in _OTHERS)
    if left:
        notes.append(f"left out: {left} of other methods than {', '.join(_METHODS).upper()}")


def _parameters(
    item: Mapping[str, Any], operation: Mapping[str, Any], resolver: Resolver
) -> list[Mapping[str, Any]]:
    """Return an operation's parameters, which come before those of its path."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for holder in (item, operation):
        listed = holder.get("parameters")
        for one in listed if isinstance(listed, list) else ():
            parameter = resolver.follow(one)
            found[str(parameter.get("in")), str(parameter.get("name"))] = parameter
    return list(found.values())


def _server(document: Mapping[str, Any], fetched_from: str) -> str:
    """Return the first server's URL, empty where none is known."""
    from urllib.parse import urljoin  # noqa: PLC0415  # 3 ms that nothing else needs

    if "swagger" in document:
        found = _swagger_server(document, fetched_from)
    else:
        servers = document.get("servers")
        first = servers[0] if isinstance(servers, list) and servers else {}
        found = _filled(first) if isinstance(first, dict) else ""
        found = found or "/"
    joined = urljoin(fetched_from, found) if fetched_from else found
    return joined.rstrip("/") if joined.startswith(("http://", "https://")) else ""


def _swagger_server(document: Mapping[str, Any], fetched_from: str) -> str:
    host, base = document.get("host"), document.get("basePath")
    path = f"/{str(base or '').strip('/')}"
    if not host:
        return path
    schemes = document.get("schemes")
    listed = [str(one) for one in schemes] if isinstance(schemes, list) else []
    default = "http" if fetched_from.startswith("http:") else "https"
    scheme = next((one for one in ("https", "http") if one in listed), default)
    return f"{scheme}://{host}{path}"


def _filled(server: Mapping[str, Any]) -> str:
    """Return a server's URL with the defaults of its variables."""
    variables = server.get("variables")
    known = variables if isinstance(variables, dict) else {}

    def default(found: re.Match[str]) -> str:
        one = known.get(found[1])
        return str(one.get("default", "")) if isinstance(one, dict) else ""

    return re.sub(r"\{([^{}]*)\}", default, str(server.get("url", "")))
