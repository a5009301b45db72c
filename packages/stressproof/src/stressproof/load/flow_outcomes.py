"""How runs of flows end, in words and as they are counted."""

from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from stressproof.errors import TargetError, UsageError
from stressproof.flow.answer import CheckFailedError, RequestFailed

INTERRUPTED = "interrupted"
"""Neither good nor bad: its time was over."""


def outcome_of(error: BaseException | None, failed_check: str) -> str | None:
    """Return how a flow that ended by itself is counted, None for well.

    A check that failed stays one, whoever caught its exception.
    """
    if error is None:
        return "check" if failed_check else None
    if isinstance(error, RequestFailed):
        return "request"
    if isinstance(error, CheckFailedError):
        return "check"
    return "exception"


def described(error: BaseException | None, failed_check: str, where: str) -> str:
    """Return what became of a flow, with the line of its own that it came from."""
    if error is None:
        said = failed_check
    elif isinstance(error, RequestFailed | CheckFailedError):
        said = str(error)
    else:
        said = f"{type(error).__name__}: {error}"
    return f"{where}: {said}" if where else said


def located(refusal: UsageError, where: str) -> UsageError:
    """Return a refusal with the line of the flow that asked for it."""
    if not where:
        return refusal
    return UsageError(f"{where}: {refusal.message}", hint=refusal.hint)


def foreign(awaited: object) -> UsageError:
    """Return what refuses to await anything but the flow's user."""
    kind = "something of an event loop" if awaited is None else f"a {type(awaited).__name__}"
    return UsageError(
        f"a flow awaits its user only, and this awaits {kind}",
        hint="write await user.think(1) instead of asyncio.sleep(1), and user.get(…) instead of "
        "another client; what is awaited elsewhere is not measured",
    )


def not_set_up(setup: str, user: int, outcome: str, detail: str) -> TargetError:
    """Return what ends a round whose users could not be set up."""
    return TargetError(
        f"user {user} could not be set up by {setup} ({outcome}): {detail}",
        hint="no load was sent; try the flow once with stressproof check --once",
    )


def close(coroutine: Coroutine[Any, Any, object]) -> None:
    """End a flow where it waits: its ``finally`` runs, and may ask for nothing more."""
    with suppress(BaseException):  # it is over, whatever it says to that
        coroutine.close()
