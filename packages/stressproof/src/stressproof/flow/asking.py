"""What a flow asks of whoever drives it: a request, or a pause. Pure values."""

import types
from collections.abc import Generator, Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypedDict

from msgspec import UNSET, Struct

from stressproof.flow.answer import Answer

Scalar = str | int | float | bool
Expect = int | Iterable[int] | Literal["any"]


class Part(NamedTuple):
    """One file of a multipart body."""

    content: bytes
    filename: str
    type: str = "application/octet-stream"


class Options(TypedDict, total=False):
    """What any request may say beside its path.

    Attributes:
        query: Added to the path's own, percent-encoded.
        headers: Beside those of target and user, and instead of those of the same name.
        name: How evidence names it, instead of method and path.
        expect: Statuses that are no failure; "any" for all.
        check: What the answer must hold, as a plan's checks have it.
        timeout: In seconds, after which it is given up.
        redirects: How many hops to the same origin are followed.
    """

    query: Mapping[str, Scalar] | None
    headers: Mapping[str, str] | None
    name: str | None
    expect: Expect | None
    check: str | None
    timeout: float | None
    redirects: int | None


class BodyOptions(Options, total=False):
    """What a request may say that carries something: one of these.

    Attributes:
        json: Any value that JSON can hold.
        form: Fields of a form.
        multipart: Fields and files (`Part`) of a form.
        body: Anything; what it is, a header says.
    """

    json: Any
    form: Mapping[str, Scalar] | None
    multipart: Mapping[str, Scalar | Part] | None
    body: bytes | str | None


class Ask(Struct, gc=False):
    """A request as a flow's call has it; what is not said is None, and JSON is absent."""

    method: str
    path: str
    values: tuple[Scalar, ...]
    query: Mapping[str, Scalar] | None = None
    headers: Mapping[str, str] | None = None
    name: str | None = None
    expect: Expect | None = None
    check: str | None = None
    timeout: float | None = None
    redirects: int | None = None
    json: Any = UNSET
    form: Mapping[str, Scalar] | None = None
    multipart: Mapping[str, Scalar | Part] | None = None
    body: bytes | str | None = None


class Pause(Struct, gc=False):
    """Think time."""

    seconds: float


@types.coroutine
def answered(ask: Ask) -> Generator[Ask, Answer, Answer]:
    """Suspend up to the driver, which sends the request and resumes with the answer."""
    return (yield ask)


@types.coroutine
def paused(pause: Pause) -> Generator[Pause, None, None]:
    """Suspend up to the driver, which resumes when the time is over."""
    yield pause
