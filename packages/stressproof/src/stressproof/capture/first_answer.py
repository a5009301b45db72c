"""A service that nothing is known of yet: asked once, so that a file about it can be drafted."""

from collections.abc import Mapping
from urllib.parse import urljoin

import msgspec

from stressproof.capture.preflight_remedy import unanswered_remedy
from stressproof.drafts.bodies import bare, is_json, secret_query
from stressproof.drafts.draft import Draft, DraftRequest
from stressproof.drafts.secrets import Secrets, literal
from stressproof.drafts.target import authorized
from stressproof.errors import TargetError
from stressproof.load.client import Answer, Client, RequestError
from stressproof.workload.target import Target, split_url

_HOPS = 5
_GOOD, _REDIRECTS, _REFUSED = range(200, 300), range(300, 400), (401, 403)
_NO_METHOD = 405


def draft_of_url(target: Target, path: str) -> Draft:
    """Ask for one page and return a draft that asks for it.

    Args:
        target: The service, and how it is reached.
        path: Path and query.

    Raises:
        TargetError: There is no answer, or none that could be right under load.
    """
    answer, path = _answered(Client(target), target.url, path)
    secrets = Secrets()
    headers = {name: secrets.header(name, value) for name, value in target.headers.items()}
    wants = {} if answer.status in _GOOD else _wanted(answer.headers, secrets)
    sent, query = secret_query(path, secrets)
    json = is_json(bare(answer.headers.get("content-type")))
    refused = f"GET {path} was answered {answer.status}: it wants credentials"
    return Draft(
        source=f"one answer of {target.url}",
        url=literal(target.url),
        requests=(DraftRequest("GET", sent, query=query, check=("json",) if json else ()),),
        target=_connecting(target) | authorized(headers) | wants,
        variables=secrets.variables,
        notes=() if answer.status in _GOOD else (refused,),
        chosen=True,
    )


def fetch(target: Target, path: str) -> bytes:
    """Return what a URL answers, after redirects within its service.

    Raises:
        TargetError: There is no answer, or it is not 200.
    """
    answer, path = _answered(Client(target), target.url, path)
    if answer.status not in _GOOD:
        raise TargetError(
            f"{target.url}{path} was answered {answer.status}",
            hint="It wants credentials: add -H 'NAME: @FILE', or save it and name the file.",
        )
    return answer.body


def _answered(client: Client, url: str, path: str) -> tuple[Answer, str]:
    """Return a page's answer and where it was found, after redirects within the service."""
    for _ in range(_HOPS):
        try:
            answer = client.get(path)
        except RequestError as error:
            raise TargetError(
                f"{url} did not answer: {error}", hint=unanswered_remedy(url, str(error))
            ) from error
        if answer.status not in _REDIRECTS or "location" not in answer.headers:
            break
        leads_to = urljoin(f"{url}{path}", answer.headers["location"])
        base, found = split_url(leads_to)
        if base.lower() != split_url(url)[0].lower():
            raise TargetError(
                f"{url}{path} leads to another service, {leads_to}",
                hint=f"Name that one: stressproof init {leads_to}",
            )
        path = found.removeprefix(url.removeprefix(base))
    if answer.status in _GOOD or answer.status in _REFUSED:
        return answer, path
    if answer.status == _NO_METHOD:
        hint = "Draft its request from a curl line: stressproof init --curl 'curl …'."
    else:
        hint = "Name a page that it has, or its description: stressproof init --openapi URL."
    raise TargetError(f"GET {url}{path} was answered {answer.status}", hint=hint)


def _wanted(headers: Mapping[str, str], secrets: Secrets) -> dict[str, object]:
    """Return ``[target]`` with the credentials that an answer asks for."""
    if headers.get("www-authenticate", "").lower().startswith("basic"):
        user = secrets.variable("API_USER", "the user's name")
        return {"auth": {"basic": [user, secrets.variable("API_PASSWORD", "the user's password")]}}
    return {"auth": {"bearer": secrets.variable("API_TOKEN", "a bearer token")}}


def _connecting(target: Target) -> dict[str, object]:
    """Return the keys of ``[target]`` that say how the service is reached."""
    known = {"ca_file": target.ca_file, "insecure": target.insecure, "http2": target.http2}
    return {name: value for name, value in known.items() if value}


def reaching(draft: Draft, target: Target) -> Draft:
    """Return a draft of a description with what had to be known to reach it."""
    return msgspec.structs.replace(draft, target=_connecting(target) | draft.target)
