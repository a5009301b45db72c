"""``curl`` commands as requests: what a browser or an API's pages offer to copy."""

from collections.abc import Iterator, Sequence
from typing import Any

from stressproof.drafts.curl_command import Command, Read
from stressproof.drafts.draft import Draft, merged
from stressproof.drafts.secrets import Secrets, literal
from stressproof.drafts.shell import commands
from stressproof.drafts.target import authorized, hoisted
from stressproof.errors import UsageError


def draft_of_curl(texts: Sequence[str], read: Read) -> Draft:
    """Return what some ``curl`` commands ask.

    Args:
        texts: Each one command or several.
        read: For the files that ``@FILE`` names.

    Raises:
        UsageError: A command cannot be read, means nothing here, or is of another service.
    """
    secrets = Secrets()
    found: list[Command] = []
    for number, text in enumerate(texts, 1):
        where = "the curl command" if len(texts) == 1 else f"curl command {number}"
        before = len(found)
        for words in commands(text):
            found += _split_at_next(words, where, read)
        if len(found) == before:
            raise UsageError(
                f"{where} is empty", hint="Paste it whole, from curl to its last word."
            )
    return _draft(found, secrets)


def _draft(found: Sequence["Command"], secrets: Secrets) -> Draft:
    origins = {one.origin(url): one.where for one in found for url in one.urls}
    if len(origins) > 1:
        (first, _), (second, where) = list(origins.items())[:2]
        raise UsageError(
            f"{where} asks {second}, an earlier one {first}: a file is about one service",
            hint="Draft the other one in a folder of its own.",
        )
    target: dict[str, Any] = {}
    notes: list[str] = []
    requests = []
    for one in found:
        target |= one.target
        notes += [note for note in one.notes if note not in notes]
        requests += [one.request(url, secrets) for url in one.urls]
    shared, requests = hoisted(requests)
    target |= authorized(shared) | _basic(found, secrets)
    return Draft(
        source="curl",
        url=literal(next(iter(origins))),
        requests=merged(requests),
        target=target,
        variables=secrets.variables,
        notes=tuple(notes),
        chosen=True,
    )


def _basic(found: Sequence["Command"], secrets: Secrets) -> dict[str, Any]:
    """Return the credentials of the commands that have some.

    Raises:
        UsageError: They differ.
    """
    users = {one.user for one in found} - {""}
    if not users:
        return {}
    if len(users) > 1:
        raise UsageError(
            "these commands have different --user", hint="Draft one user's requests at a time."
        )
    name, _, password = users.pop().partition(":")
    hidden = secrets.text("API_PASSWORD", password, "the password of --user", secret=True)
    if not password:
        hidden = secrets.variable("API_PASSWORD", "the password of --user")
    return {"auth": {"basic": [literal(name), hidden]}}


def _split_at_next(words: Sequence[str], where: str, read: Read) -> Iterator["Command"]:
    if words[0].rpartition("/")[2].removesuffix(".exe") != "curl":
        raise UsageError(
            f"{where} begins with {words[0][:40]!r}, not with curl",
            hint="Paste it whole; a URL with & needs quotes of its own.",
        )
    current: list[str] = []
    for word in [*words[1:], "--next"]:
        if word in {"--next", "-:"}:
            if current:
                yield Command(current, where, read)
            current = []
        else:
            current.append(word)
    if len(words) == 1:
        yield Command([], where, read)
