"""What all requests of a draft have in common: it belongs to the service."""

from collections.abc import Sequence
from typing import Any

import msgspec

from stressproof.drafts.draft import DraftRequest

_BEARER = "bearer "


def hoisted(requests: Sequence[DraftRequest]) -> tuple[dict[str, str], list[DraftRequest]]:
    """Return the headers that all requests have, and the requests without them."""
    first = requests[0].headers
    shared = {
        name: value
        for name, value in first.items()
        if all(_has(one, name, value) for one in requests)
    }
    lower = {name.lower() for name in shared}
    return shared, [
        msgspec.structs.replace(
            one,
            headers={
                name: value for name, value in one.headers.items() if name.lower() not in lower
            },
        )
        for one in requests
    ]


def _has(request: DraftRequest, name: str, value: str) -> bool:
    return any(
        known.lower() == name.lower() and theirs == value
        for known, theirs in request.headers.items()
    )


def authorized(headers: dict[str, str]) -> dict[str, Any]:
    """Return ``[target]`` with headers that all requests have; a bearer token is ``auth``."""
    rest = dict(headers)
    target: dict[str, Any] = {}
    for name, value in headers.items():
        if name.lower() == "authorization" and value.lower().startswith(_BEARER):
            target["auth"] = {"bearer": value[len(_BEARER) :]}
            del rest[name]
    if rest:
        target["headers"] = rest
    return target
