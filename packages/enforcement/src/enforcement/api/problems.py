"""Refusals on the wire: RFC 9457 problem details, each with a code that never changes."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException

from enforcement.api.refusals import Fault, RefusalError
from enforcement.domain.errors import (
    ConflictError,
    EnforcementError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    TokenError,
)
from enforcement.logs import Log, place_of
from enforcement.store.errors import (
    ContendedError,
    LockTimeoutError,
    OutcomeUnknownError,
    ReadOnlyError,
    StoreError,
    UnavailableError,
)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1
AnyRequest = Request[Any, Any, State]
_MAX_FAULTS: Final = 32
_SERVER_ERROR: Final = 500
_BY_STATUS: Final = {
    400: "malformed_request",
    404: "route_unknown",
    405: "method_not_allowed",
    413: "body_too_large",
}


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A refusal, as every route answers one.

    Attributes:
        type: ``urn:enforcement:problem:`` and the code.
        title: The status in words.
        status: As of the response.
        code: Stable; what programs should look at.
        detail: What was seen and what was expected, for people.
        instance: Path of the request.
        request_id: As in the header ``x-request-id`` and in the logs.
        hint: What to do about it.
        errors: Where several things were wrong.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    request_id: str
    hint: str = ""
    errors: tuple[Fault, ...] = ()


def from_domain(error: EnforcementError) -> RefusalError:
    """Give an error of domain or store its status and headers."""
    if isinstance(error, StoreError):
        detail, hint = _store_words(error)
        headers = {"retry-after": str(RETRY_AFTER_S)}
        return RefusalError(503, error.code, detail, hint=hint, headers=headers)
    if isinstance(error, TokenError):
        headers = {"www-authenticate": "Bearer"}
        return RefusalError(401, error.code, error.detail, hint=error.hint, headers=headers)
    return RefusalError(_domain_status(error), error.code, error.detail, hint=error.hint)


def _store_words(error: StoreError) -> tuple[str, str]:
    """Say what a caller may know of a database's failure: not its address, not its SQL."""
    if isinstance(error, OutcomeUnknownError):
        return (
            "the database was lost while committing: this may have been done",
            "Read before repeating, or repeat with the same idempotency key.",
        )
    for kind, detail in (
        (LockTimeoutError, "the tenant is busy: its lock was not free in time"),
        (ContendedError, "the tenant is busy: concurrent requests kept colliding"),
        (ReadOnlyError, "the database accepts no writes now"),
        (UnavailableError, "the database does not answer now"),
    ):
        if isinstance(error, kind):
            return detail, "Nothing was written; try again after Retry-After seconds."
    return "the database cannot do this now", "Report the request_id to the operators."


def _domain_status(error: EnforcementError) -> HTTPStatus:
    for kind, status in (
        (InvalidError, HTTPStatus.UNPROCESSABLE_ENTITY),
        (ForbiddenError, HTTPStatus.FORBIDDEN),
        (NotFoundError, HTTPStatus.NOT_FOUND),
        (ConflictError, HTTPStatus.CONFLICT),
    ):
        if isinstance(error, kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _from_http(error: HTTPException) -> RefusalError:
    """Translate what the framework refuses."""
    if isinstance(error, ValidationException):
        return RefusalError(
            422, "invalid_request", "the request does not fit", faults=_faults(error)
        )
    status = error.status_code
    title = HTTPStatus(status).phrase
    code = _BY_STATUS.get(status, title.lower().replace(" ", "_"))
    return RefusalError(status, code, error.detail or title, headers=error.headers)


def _faults(error: ValidationException) -> tuple[Fault, ...]:
    extra = error.extra if isinstance(error.extra, list) else []
    return tuple(
        Fault(
            location=str(getattr(item.get("source"), "value", item.get("source")) or "body"),
            name=str(item.get("key", ""))[:200],
            detail=str(item.get("message", ""))[:500],
        )
        for item in extra[:_MAX_FAULTS]
        if isinstance(item, dict)
    )


def problem_of(refusal: RefusalError, *, instance: str, request_id: str) -> Problem:
    """Return a refusal as it is written."""
    status = HTTPStatus(refusal.status)
    return Problem(
        type=f"urn:enforcement:problem:{refusal.code}",
        title=status.phrase,
        status=status,
        code=refusal.code,
        detail=refusal.detail,
        instance=instance,
        request_id=request_id,
        hint=refusal.hint,
        errors=refusal.faults,
    )


def problem_bytes(
    refusal: RefusalError, *, instance: str, request_id: str
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return a refusal's headers and body where there is no framework to write them."""
    problem = problem_of(refusal, instance=instance, request_id=request_id)
    body = msgspec.json.encode(problem)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        *((name.encode(), value.encode()) for name, value in refusal.headers.items()),
    ]
    return headers, body


def render(request: AnyRequest, refusal: RefusalError) -> Response[Problem]:
    """Write a refusal as a response."""
    problem = problem_of(refusal, instance=request.scope["path"], request_id=_request_id(request))
    return Response(
        problem,
        status_code=refusal.status,
        media_type=MEDIA_TYPE,
        headers=dict(refusal.headers),
    )


def _request_id(request: AnyRequest) -> str:
    return str(request.scope["state"].get("request_id", ""))


class ProblemWriter:
    """Turns every exception into a problem; those that are bugs are logged with their place.

    Args:
        log: Of this worker.
    """

    def __init__(self, log: Log) -> None:
        self._log = log

    def __call__(self, request: AnyRequest, error: Exception) -> Response[Problem]:
        """Answer a request that ended in an exception."""
        if isinstance(error, RefusalError):
            return render(request, error)
        if isinstance(error, EnforcementError):
            if isinstance(error, StoreError):
                self._log.warning(
                    "database_refused",
                    request_id=_request_id(request),
                    code=error.code,
                    detail=error.detail,
                )
            return render(request, from_domain(error))
        if (
            isinstance(error, HTTPException)
            and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
        ):
            return render(request, _from_http(error))
        self._log.error(
            "unexpected_error",
            request_id=_request_id(request),
            error=type(error).__name__,
            place=place_of(error),
        )
        refusal = RefusalError(
            500,
            "internal_error",
            "something went wrong inside the service",
            hint="Report the request_id to the operators of this service.",
        )
        return render(request, refusal)
