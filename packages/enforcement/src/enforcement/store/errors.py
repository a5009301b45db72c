"""What a database can do to us, as a branch of the domain's errors.

::

    EnforcementError
    └─ StoreError                 base; never raised itself
       ├─ UnavailableError        no connection, pool exhausted, server gone: nothing was written
       │  └─ DeadlineError        the operation's hard deadline passed before it was committed
       ├─ LockTimeoutError        the tenant's lock was not free in time: nothing was written
       ├─ ContendedError          deadlock or serialization failure, and the retries are used up
       ├─ OutcomeUnknownError     the connection was lost while committing: it may be written
       ├─ ReadOnlyError           the server accepts no writes (standby, disk full)
       ├─ EvaluationError         any other database error: nothing was written
       │  └─ RefusedError         it refuses the data themselves: trying again is no use
       └─ SchemaError             the schema is missing, or not at this version

``classify`` sorts what the driver raises into it: by SQLSTATE and by what was going on, never by
the text of a message, which differs from one run to the next for the same fault.
"""

from typing import Final

import psycopg

from enforcement.domain import reasons
from enforcement.domain.errors import ConflictError, EnforcementError, NotFoundError


class StoreError(EnforcementError):
    """Base of what a database can do to us.

    Attributes:
        retryable: Whether the same operation may well succeed when tried again at once.
    """

    retryable: bool = False


class UnavailableError(StoreError):
    """The database cannot be reached, or no connection is free; nothing was written."""


class ConnectionLostError(UnavailableError):
    """The connection broke before the operation was committed; nothing was written."""

    retryable = True


class DeadlineError(UnavailableError):
    """The operation's hard deadline passed before it was committed; nothing was written."""


class LockTimeoutError(StoreError):
    """The tenant's lock was not free in time; nothing was written."""


class ContendedError(StoreError):
    """Deadlocks or serialization failures outlasted the retries; nothing was written."""

    retryable = True


class OutcomeUnknownError(StoreError):
    """The connection was lost while committing: the transaction may or may not be written.

    Repeating the operation is safe where it carries an idempotency key.
    """


class ReadOnlyError(StoreError):
    """The server accepts no writes now; nothing was written."""


class EvaluationError(StoreError):
    """The database refused a statement for another reason; nothing was written."""


class RefusedError(EvaluationError):
    """The database refuses these very data: nothing was written, and nothing ever will be."""


class SchemaError(StoreError):
    """The schema is missing, or not at the version this code was built for."""


TENANT_UNKNOWN: Final = "EN001"
# An event came that does not fit what is there: only where nobody held the tenant's lock.
_CHANGED: Final = {
    "EN003": ("state_changed", "somebody else changed it at this moment"),
    "EN005": ("token_replayed", "the token has been consumed before"),
    "EN006": ("approval_not_pending", "somebody else reviewed it at this moment"),
    "EN007": ("reservation_not_active", "the decision holds no active reservation"),
}

# Data that no type takes, and data that break a constraint or an invariant of ours.
_DATA_CLASSES: Final = ("22", "23", "EN")
_LOST_CLASSES: Final = ("08",)
# Shut down by an administrator, crashed, not yet up, idle too long in a transaction.
_LOST: Final = frozenset({"57P01", "57P02", "57P05", "25P03", "25P04"})


def classify(
    error: psycopg.Error, *, committing: bool, cut: bool
) -> StoreError | NotFoundError | ConflictError:
    """Say what a driver's error means for the operation it ended.

    Args:
        error: What psycopg raised.
        committing: Whether the commit had been sent.
        cut: Whether we shut the connection down ourselves at the deadline.
    """
    state = error.sqlstate
    detail = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if cut or (state is None or state in _LOST or state.startswith(_LOST_CLASSES)):
        if committing:
            return OutcomeUnknownError(
                "outcome_unknown",
                "the connection was lost while committing",
                hint="Repeat the request with the same idempotency key.",
            )
        if cut:
            return DeadlineError("deadline_exceeded", "the database did not answer in time")
        if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
            return RefusedError("database_error", detail)
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return ConnectionLostError("connection_lost", detail)
        return EvaluationError("database_error", detail)
    return _by_state(state, detail)


_MIGRATE_HINT: Final = "Run `enforcement migrate` on this database."
_BY_STATE: Final[dict[str, tuple[type[StoreError], str, str]]] = {
    "55P03": (LockTimeoutError, "lock_timeout", ""),
    "40001": (ContendedError, "lock_contended", ""),
    "40P01": (ContendedError, "lock_contended", ""),
    "57014": (DeadlineError, "deadline_exceeded", ""),
    "57P03": (UnavailableError, "database_unavailable", ""),
    "53300": (UnavailableError, "database_unavailable", ""),
    "25006": (ReadOnlyError, "read_only", ""),
    "3F000": (SchemaError, "schema_missing", _MIGRATE_HINT),
    "42P01": (SchemaError, "schema_missing", _MIGRATE_HINT),
    "42883": (SchemaError, "schema_missing", _MIGRATE_HINT),
}


def _by_state(state: str, detail: str) -> StoreError | NotFoundError | ConflictError:
    if state == TENANT_UNKNOWN:
        return NotFoundError("tenant_unknown", "there is no such tenant")
    if state in _CHANGED:
        return ConflictError(*_CHANGED[state])
    if state.startswith("28"):  # the password or the role is wrong
        return UnavailableError("database_unavailable", detail)
    other = RefusedError if state.startswith(_DATA_CLASSES) else EvaluationError
    kind, code, hint = _BY_STATE.get(state, (other, "database_error", ""))
    return kind(code, f"SQLSTATE {state}: {detail}", hint=hint)


def failsafe_reason(error: EnforcementError) -> str:
    """Return the reason code a gate's fail-safe gives for a store's error."""
    if isinstance(error, LockTimeoutError):
        return reasons.GATE_LOCK_TIMEOUT
    if isinstance(error, ContendedError):
        return reasons.GATE_LOCK_CONTENDED
    if isinstance(error, DeadlineError):
        return reasons.GATE_TIMEOUT
    return reasons.GATE_EVALUATION_ERROR
