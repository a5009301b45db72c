"""What a capture asks for, from its flags: where, with which method, headers and body."""

import re
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.workload.bodies import Body, JsonBody, TextBody
from stressproof.workload.requests import DEFAULT_STATUSES, Request
from stressproof.workload.target import TOKEN, Origin, demand_headers, origin_of, split_url
from stressproof.workload.templates import without_placeholders

MAX_FILE_BYTES = 16 * 1024 * 1024
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_FORM = "application/x-www-form-urlencoded"
_ANY_STATUS = 3


_A_TIME = re.compile(r"[0-9]+(?:ms|s|m|h)", re.ASCII)
"""What k6 takes for ``-d``."""


class Asked(Struct, frozen=True):
    """What the flags ask for.

    Attributes:
        url: Base URL of the service.
        endpoints: What to ask of it instead of a profile's endpoints; a text is a path that a
            profile may know. Empty where nothing is named.
        headers: Sent with every request.
    """

    url: str
    endpoints: tuple[Request | str, ...]
    headers: dict[str, str]

    @property
    def what(self) -> str:
        """The endpoints in one line, for people and as the name of what was captured."""
        names = [one if isinstance(one, str) else one.name for one in self.endpoints]
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""  # noqa: PLR2004  # a line
        return ", ".join(names[:2]) + more


def asked_for(options: Mapping[str, Any], *, default_url: str, known: Container[str]) -> Asked:
    """Return what the flags of a capture ask for.

    Args:
        options: The flags by their names.
        default_url: The service where none is named.
        known: Paths that stay texts where no flag says more of them: a profile knows how they are
            asked and answered.

    Raises:
        UsageError: The flags contradict each other, or mean nothing.
    """
    given, url = options["target"], options["url"]
    if given is not None and url is not None:
        raise UsageError(
            f"the service is named twice: {given} and --url {url}", hint="Leave one of them out."
        )
    named = list(options["endpoints"])
    if given is not None:
        given = given.strip()
        demand_absolute(given)
        if not named and options["profile"] is None:
            origin, path = split_url(given)
            url, named = origin, [path]
        else:
            url = given
    # A whole URL as an endpoint says which service it is of, where nothing else does.
    whole = [one for one in named if _is_url(_bare(one))]
    url = url or (split_url(_bare(whole[0]))[0] if whole else default_url)
    request = _Request(options, origin_of(url.strip()), known=known)
    if not named and request.flags:
        raise UsageError(
            f"{request.flags[0]} needs a request to belong to",
            hint="Name one: stressproof capture http://127.0.0.1:8080/orders …, or --endpoint.",
        )
    return Asked(url, tuple(request.request(one) for one in named), headers_of(options["headers"]))


class _Request:
    """What every request that is named on the command line has."""

    def __init__(
        self, options: Mapping[str, Any], origin: Origin, *, known: Container[str]
    ) -> None:
        self._origin = origin
        self.method = options["method"]
        self.body = _body(options)
        self.statuses = _statuses(options["expect"])
        self.checks = tuple(options["checks"])
        self._known = known
        self.flags = [
            flag
            for flag, value in (
                ("--request", self.method),
                ("--json or --data", self.body),
                ("--expect", self.statuses),
                ("--check", self.checks or None),
            )
            if value is not None
        ]

    def request(self, text: str) -> Request | str:
        """Return what one endpoint means: a path, a method and a path, or a whole URL."""
        method, path = _method_and_path(text, self._origin)
        if method is None and not self.flags and path in self._known:
            return path
        method = method or self.method or ("GET" if self.body is None else "POST")
        if self.body is not None and method in {"GET", "HEAD"}:
            raise UsageError(
                f"{method} {path} has no body", hint="Leave --data and --json out, or use -X POST."
            )
        return Request(
            name=path if method == "GET" else f"{method} {path}",
            method=method,
            path=path,
            expected_statuses=self.statuses or DEFAULT_STATUSES,
            checks=self.checks,
            body=self.body,
        )


def _bare(text: str) -> str:
    """Return an endpoint without its method."""
    method, space, rest = text.strip().partition(" ")
    return rest.strip() if space and TOKEN.fullmatch(method) else text.strip()


def _is_url(text: str) -> bool:
    return text.partition("://")[0].lower() in {"http", "https"} and "://" in text


_SCHEME = re.compile(r"^(?:[A-Za-z][A-Za-z+.-]*(?::/+|//+))?/*")


def demand_absolute(url: str) -> None:
    """Refuse a service's URL without its scheme.

    Raises:
        UsageError: It has none, or another than HTTP's.
    """
    if not _is_url(url):
        # Quotes that a shell did not take away, and schemes with a slash or a colon too few.
        bare = _SCHEME.sub("", url.strip("\"'\u201c\u201d\u2018\u2019 ")) or "127.0.0.1:8080"
        raise UsageError(
            f"{url!r} is no URL of a service", hint=f"Write it with its scheme, as http://{bare}."
        )


def _method_and_path(text: str, origin: Origin) -> tuple[str | None, str]:
    """Return the method that an endpoint names, if any, and its path after the base path.

    Raises:
        UsageError: It is empty, no path, or of another service.
    """
    stripped = text.strip()
    if not stripped:
        raise UsageError("an endpoint is empty", hint="Write a path, such as --endpoint /orders.")
    path = _bare(stripped)
    method = stripped.partition(" ")[0] if path != stripped else None
    if method is not None and method not in METHODS:
        near = method.upper()
        offer = f"{near} {path}" if near in METHODS else f"POST {path}"
        raise UsageError(f"{text!r} begins with no method", hint=f"Write it as '{offer}'.")
    if _is_url(path):
        theirs = origin_of(split_url(path)[0])
        if theirs[:3] != origin[:3]:
            raise UsageError(
                f"{path} is of another service than {origin.authority}",
                hint="One capture loads one service; capture the other by itself.",
            )
        path = split_url(path)[1]
        if origin.base and not f"{path}/".startswith(f"{origin.base}/"):
            raise UsageError(
                f"{path} does not lie below the service's {origin.base}",
                hint="Name a service without that path.",
            )
        path = path[len(origin.base) :] or "/"
    if not path.startswith("/"):
        raise UsageError(f"{path!r} is no path", hint=f"Write it as /{path}.")
    return method, path


def headers_of(lines: Sequence[str]) -> dict[str, str]:
    """Return ``Name: value`` lines as headers; a value ``@FILE`` is read from the file.

    Raises:
        UsageError: A line is none, a header is given twice, or a file cannot be read.
    """
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not colon:
            # What was meant may be a secret: only what is no value is repeated.
            raise UsageError(
                "a --header has no colon", hint="Write it as 'Name: value' or 'Name: @FILE'."
            )
        if value.startswith("@"):
            value = _content(value[1:], f"--header {name}").strip()
        if name.lower() in (known.lower() for known in found):
            raise UsageError(f"the header {name} is given twice", hint="Leave one of them out.")
        found[name] = value
    demand_headers(found)
    return found


def _body(options: Mapping[str, Any]) -> Body | None:
    """Return the body; a header of one's own says better what it is.

    Raises:
        UsageError: Two bodies are given, the JSON is none, or a file cannot be read.
    """
    data, document = options["data"], options["json"]
    if data is not None and document is not None:
        raise UsageError("--data and --json are two bodies", hint="Leave one of them out.")
    if data is not None and _A_TIME.fullmatch(data):
        raise UsageError(
            f"-d {data} is a body, as curl has it, and no time",
            hint=f"Write --duration {data}, or --data @FILE for a body that reads like a time.",
        )
    if document is None:
        text = _text(data, "--data")
        return None if text is None else TextBody(text, _FORM)
    text = _text(document, "--json") or ""
    try:
        # A placeholder may stand where a number does.
        msgspec.json.decode(without_placeholders(text))
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(
            f"--json is no JSON: {error}", hint="Quote it for the shell, or name a file: @FILE."
        ) from error
    return JsonBody(text)


def _text(given: str | None, flag: str) -> str | None:
    if given is None or not given.startswith("@"):
        return given
    return _content(given[1:], flag)


def _content(name: str, flag: str) -> str:
    """Return a file's text.

    Raises:
        UsageError: It cannot be read, is too large, or is not UTF-8.
    """
    try:
        with Path(name).open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
        text = data.decode()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(
            f"{flag}: the file {name!r} cannot be read: {why}", hint="Name a file after the @."
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(f"{flag}: the file {name!r} has more than {MAX_FILE_BYTES} bytes")
    return text


def _statuses(texts: Sequence[str]) -> tuple[int, ...] | None:
    """Return the statuses of ``201``, ``200,201`` or ``2xx``; None where none is named.

    Raises:
        UsageError: One of them is none.
    """
    found: list[int] = []
    for one in (part.strip() for text in texts for part in text.split(",")):
        if len(one) == _ANY_STATUS and one[0] in "2345" and one[1:].lower() == "xx":
            found += range(int(one[0]) * 100, int(one[0]) * 100 + 100)
        elif one.isascii() and one.isdigit() and 200 <= int(one) <= 599:  # noqa: PLR2004  # final
            found.append(int(one))
        else:
            raise UsageError(
                f"--expect {one!r} is no final status", hint="Write 201, or 200,404, or 2xx."
            )
    return tuple(sorted(set(found))) or None
