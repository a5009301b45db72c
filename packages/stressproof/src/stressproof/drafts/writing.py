"""A draft as the text of a ``stressproof.toml`` that runs, with a word on what can be added."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from stressproof.config.reading import MAX_BYTES
from stressproof.drafts import toml_text
from stressproof.drafts.draft import MAX_REQUESTS, Draft, DraftRequest

PROFILE = "main"
_RESERVED_BYTES = 4096
_VARIABLE = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Written(Struct, frozen=True):
    """A file's text and what is to be said of it.

    Attributes:
        text: All of the file.
        active: How many requests are asked as it is.
        withheld: How many stand there as comments.
        left_out: How many did not fit.
        notes: What was left out or guessed, of the draft.
        variables: The environment variables that it needs, with what each holds.
    """

    text: str
    active: int
    withheld: int
    left_out: int
    notes: tuple[str, ...]
    variables: dict[str, str]


def written(draft: Draft, *, everything: bool = False, profile: str = PROFILE) -> Written:
    """Return a draft as a file.

    Args:
        draft: What goes into it.
        everything: Whether requests that change something are asked as well.
        profile: What the profile is called.
    """
    blocks: list[str] = []
    asked: list[Any] = [draft.url, draft.target]
    active = withheld = size = 0
    for request in draft.requests:
        why = draft.withheld(request, everything=everything)
        if not why and active == MAX_REQUESTS:
            why = f"a profile has at most {MAX_REQUESTS} requests"
        block = "\n".join(_request(request, why, profile))
        size += len(block.encode()) + 2
        if size > MAX_BYTES - _RESERVED_BYTES - len(draft.url) - len(
            msgspec.json.encode(draft.target)
        ):
            break
        blocks.append(block)
        active, withheld = active + (not why), withheld + bool(why)
        asked += [] if why else [msgspec.to_builtins(request)]
    needed = set(_VARIABLE.findall(msgspec.json.encode(asked).decode()))
    variables = {name: holds for name, holds in draft.variables.items() if name in needed}
    head = _head(draft, profile, variables)
    return Written(
        text="\n".join([*head, "", "\n\n".join(blocks), "", *_failure(profile), *_gate(profile)]),
        active=active,
        withheld=withheld,
        left_out=len(draft.requests) - len(blocks),
        notes=draft.notes,
        variables=variables,
    )


def _head(draft: Draft, profile: str, variables: Mapping[str, str]) -> list[str]:
    return [
        toml_text.comment(f"Drafted by stressproof init from {draft.source}."),
        "#   stressproof check          shows what would be sent",
        "#   stressproof check --once   sends each request once and shows the answers",
        f"#   stressproof capture --profile {profile}   loads, judges, keeps the evidence",
        *(toml_text.comment(note[:1].upper() + note[1:] + ".") for note in draft.notes),
        "",
        "[target]",
        f"url = {toml_text.value(draft.url)}",
        *_credentials(draft, variables),
        "",
        f"[profile.{profile}]",
        'rate = "5/s"                 # a second; or users = 10: each asks again once answered',
        'duration = "30s"',
        '# ramp = "10s"               # climbs from nothing, not measured',
        "# rounds = 3                 # measured so often",
        '# timeout = "15s"            # after which a request has failed',
        "",
        f"[profile.{profile}.thresholds]",
        'http_req_failed = ["rate < 1%"]',
        '# http_req_duration = ["p(95) < 300ms"]   # say what is fast enough',
    ]


def _credentials(draft: Draft, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the further keys of ``[target]``, and what they need from outside."""
    for name in variables:
        yield toml_text.comment(f"${{{name}}} is {draft.variables[name]}: from the environment")
    for name, one in draft.target.items():
        if name == "auth":
            yield from (f"auth.{kind} = {toml_text.value(given)}" for kind, given in one.items())
        else:
            yield f"{toml_text.key(name)} = {toml_text.value(one)}"
    if "auth" not in draft.target and "headers" not in draft.target:
        yield '# headers = { x-api-key = "${API_KEY}" }   # from the environment'
        yield '# auth.bearer = "${API_TOKEN}"'


def _failure(profile: str) -> list[str]:
    """Return a failure to begin with: the service behind a slow database."""
    return [
        "# [testbed]                    # breaks it on purpose: stressproof check lists how",
        '# target = "service"           # started for that, with a database behind a proxy',
        "# [testbed.postgres.db]",
        "# [testbed.process.service]",
        '# run = ["python", "-m", "uvicorn", "app:app", "--port", "{{port}}"]',
        '# env = { DATABASE_URL = "{{db.url}}" }',
        '# ready = { http = "/" }',
        "",
        "# [[failure]]",
        '# id = "DB-1"',
        '# title = "The database is slow"',
        '# question = "Is everybody still answered in time?"',
        f'# load = "{profile}"',
        '# rate = "20/s"',
        '# checks = [{ answered_in = "3s", during = ["slow"] }]',
        "# [[failure.fault]]",
        '# id = "slow"',
        '# kind = "latency"',
        '# target = "db"',
        '# latency = "1s"',
        '# lasts = "5s"',
        "",
    ]


def _gate(profile: str) -> list[str]:
    return [
        "# [gate]                       # what a build must pass: stressproof gate release",
        f'# profile = "{profile}"',
        '# steps = [{ name = "tests", run = ["python", "-m", "pytest", "-q"] }]',
        "",
    ]


def _request(request: DraftRequest, why: str, profile: str) -> list[str]:
    """Return one request; as a comment, with its reason, where there is one."""
    remarks = [toml_text.comment(one) for one in request.remarks]
    lines = [f"[[profile.{profile}.request]]", *_keys(request, profile)]
    if not why:
        return [*remarks, *lines]
    return [*remarks, toml_text.comment(f"Not asked: {why}."), *toml_text.commented(lines)]


def _keys(request: DraftRequest, profile: str) -> Iterator[str]:
    default = request.method == "GET"
    if not default:
        yield f"method = {toml_text.value(request.method)}"
    yield f"path = {toml_text.value(request.path)}"
    optional = {
        "name": request.name,
        "weight": request.weight if request.weight > 1 else 0,
        "expect": request.expect,
        "check": request.check,
        "query": request.query,
        **request.settings,
    }
    for name, given in optional.items():
        if given:
            yield f"{name} = {toml_text.value(given)}"
    body, headers = request.body, dict(request.headers)
    if body is not None and body.content_type and not _has(headers, "content-type"):
        headers["content-type"] = body.content_type
    if headers:
        yield f"headers = {toml_text.value(headers)}"
    if body is None:
        return
    line = f"{body.kind} = {toml_text.value(body.value)}"
    if isinstance(body.value, Mapping) and len(line) > toml_text.WIDTH:
        # A table of its own reads better; it ends the request, so it comes last.
        yield f"[profile.{profile}.request.{body.kind}]"
        for name, given in body.value.items():
            yield f"{toml_text.key(name)} = {toml_text.value(given)}"
    else:
        yield line


def _has(headers: Mapping[str, str], name: str) -> bool:
    return any(known.lower() == name for known in headers)
