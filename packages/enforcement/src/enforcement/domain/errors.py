"""What the domain refuses, as one tree; every refusal has a stable code.

::

    EnforcementError            base; never raised itself
    ├─ InvalidError             the request says something impossible          (HTTP 422)
    ├─ TokenError               an approval token is not one of ours           (HTTP 401)
    ├─ ForbiddenError           the caller may not do this                     (HTTP 403)
    ├─ NotFoundError            no such thing in the caller's tenant           (HTTP 404)
    └─ ConflictError            true, but not in the state things are in       (HTTP 409)

The store adds its own branch (``enforcement.store.errors``) for what a database can do to us.
"""

from typing import Self


class EnforcementError(Exception):
    """Base of everything the control plane refuses.

    Args:
        code: Stable machine-readable reason, lower case with underscores.
        detail: What was seen, and what was expected; safe to show the caller.
        hint: What to do about it, as one sentence; may be empty.
    """

    def __init__(self, code: str, detail: str, *, hint: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.hint = hint

    def __reduce__(self) -> tuple[type[Self], tuple[str, str], dict[str, str]]:
        """Let it cross to another process whole: its arguments, then what else it holds."""
        return type(self), (self.code, self.detail), {"hint": self.hint}


class InvalidError(EnforcementError):
    """The request says something impossible."""


class TokenError(EnforcementError):
    """An approval token is not one of ours."""


class ForbiddenError(EnforcementError):
    """The caller may not do this."""


class NotFoundError(EnforcementError):
    """No such thing exists in the caller's tenant."""


class ConflictError(EnforcementError):
    """The request makes sense, but not in the state things are in."""
