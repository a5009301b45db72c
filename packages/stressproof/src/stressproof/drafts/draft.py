"""What a ``stressproof.toml`` is drafted from: requests, and how the service takes them.

Every text in here is in the file's own language: ``${NAME}`` comes from the environment, and
`stressproof.drafts.secrets.literal` has escaped what merely looks so.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.workload.limits import MAX_WEIGHT
from stressproof.workload.target import TOKEN
from stressproof.workload.templates import SEQ, UUID, placeholders

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Those that ask and change nothing (RFC 9110, 9.2.1)."""

MAX_REQUESTS = 256
"""Requests of a profile."""

_VARYING = re.compile(
    r"[0-9]+|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|(?=[a-f]*[0-9])[0-9a-f]{16,}"
)


class Body(Struct, frozen=True):
    """A request's body.

    Attributes:
        kind: The key of the file that takes it: ``json``, ``form``, ``multipart``, ``body`` (text)
            or ``body_file`` (a path).
        value: As that key takes it.
        content_type: What has to be said of it, empty where the kind says it.
    """

    kind: str
    value: Any
    content_type: str = ""


class DraftRequest(Struct, frozen=True):
    """One request.

    Attributes:
        method: In capitals.
        path: Path and query as they are sent, after the service's base path.
        name: Empty where method and path will do.
        weight: Its share.
        expect: Statuses that are right; empty for any 2xx.
        check: What the answer must hold.
        headers: Beside the target's.
        query: What belongs to the query and cannot stand in the path: a secret.
        body: None for none.
        settings: Further keys of the request, such as ``redirects``.
        remarks: What a reader ought to know.
        unfit: What is missing before it can be sent, empty where nothing is.
    """

    method: str
    path: str
    name: str = ""
    weight: int = 1
    expect: tuple[int, ...] = ()
    check: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    body: Body | None = None
    settings: dict[str, Any] = {}
    remarks: tuple[str, ...] = ()
    unfit: str = ""

    @property
    def title(self) -> str:
        """What it is called: its name, else method and path without the query."""
        return self.name or f"{self.method} {self.path.partition('?')[0]}"


class Draft(Struct, frozen=True):
    """All that goes into the file.

    Attributes:
        source: What it was drafted from, in a few words.
        url: Base URL of the service; ``${…}`` may stand in it.
        requests: At least one.
        target: Further keys of ``[target]``.
        variables: Environment variables that the file needs, with what each holds.
        notes: What was left out or guessed.
        chosen: Whether somebody named every request by itself: then none is held back.
    """

    source: str
    url: str
    requests: tuple[DraftRequest, ...]
    target: dict[str, Any] = {}
    variables: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    chosen: bool = False

    def withheld(self, request: DraftRequest, *, everything: bool) -> str:
        """Return why a request is written as a comment, empty where it is not.

        Args:
            request: One of these.
            everything: Whether requests that change something are wanted as well.
        """
        if request.unfit:
            return request.unfit
        unknown = placeholders(msgspec.json.encode(request).decode()) - {UUID, SEQ}
        if unknown:
            return f"{{{{{min(unknown)}}}}} in it would stand for the column of a table here"
        if request.method in SAFE_METHODS or self.chosen or everything:
            return ""
        return f"{request.method} changes something there"


def template_of(path: str) -> str:
    """Return a path with numbers, UUIDs and long hexadecimals as ``{id}``, without its query."""
    return "/".join(
        "{id}" if _VARYING.fullmatch(part) else part for part in path.partition("?")[0].split("/")
    )


def merged(requests: Iterable[DraftRequest]) -> tuple[DraftRequest, ...]:
    """Return requests each under a name of its own: what differs in an id alone is one request.

    The first of several stands for all of them, and has their weight together.
    """
    found: dict[tuple[str, str, bytes], list[DraftRequest]] = {}
    for one in requests:
        template = template_of(one.path)
        body = msgspec.json.encode(one.body)
        found.setdefault((one.method, one.name or template, body), []).append(one)
    names: set[str] = set()
    kept = []
    for (method, template, _), alike in found.items():
        first = alike[0]
        name = first.name or ("" if template == first.path.partition("?")[0] else template)
        name = f"{method} {name}" if name and name == template and not first.name else name
        title, number = name or first.title, 1
        while (unique := title if number == 1 else f"{title} ({number})") in names:
            number += 1
        names.add(unique)
        paths = len({one.path for one in alike})
        remark = (f"seen {len(alike)} times, with {paths} paths: this is the first",) * (paths > 1)
        kept.append(
            msgspec.structs.replace(
                first,
                name=name if number == 1 else unique,
                weight=min(sum(one.weight for one in alike), MAX_WEIGHT),
                remarks=(*first.remarks, *remark),
            )
        )
    return tuple(kept)


def demand_method(text: str, where: str) -> str:
    """Return a method in capitals.

    Raises:
        UsageError: It is none that can be sent.
    """
    method = text.upper()
    if not TOKEN.fullmatch(text) or method == "CONNECT":
        raise UsageError(f"{where}: {text!r} is no method", hint="Such as GET or POST.")
    return method
