"""What the API itself refuses, before or beside the domain; free of the web framework."""

from collections.abc import Mapping

import msgspec


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a request.

    Attributes:
        location: ``body``, ``query``, ``header`` or ``path``.
        name: JSON path or parameter name.
    """

    location: str
    name: str
    detail: str


class RefusalError(Exception):
    """A request that the API itself refuses, before or beside the domain.

    Args:
        status: Of the response.
        code: Stable code.
        detail: What was seen, and what was expected; safe to show.
        hint: What to do about it.
        faults: Where several things were wrong.
        headers: Of the response, such as ``retry-after``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        hint: str = "",
        faults: tuple[Fault, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.hint = hint
        self.faults = faults
        self.headers = dict(headers or {})
