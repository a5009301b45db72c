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
       └─ SchemaError             the schema is missing, or not at this version

Each has a ``code``; those a gate meets are the reason codes of its fail-safe.
"""

from enforcement.domain.errors import EnforcementError


class StoreError(EnforcementError):
    """Base of what a database can do to us."""


class UnavailableError(StoreError):
    """The database cannot be reached, or no connection is free; nothing was written."""


class DeadlineError(UnavailableError):
    """The operation's hard deadline passed before it was committed; nothing was written."""


class LockTimeoutError(StoreError):
    """The tenant's lock was not free in time; nothing was written."""


class ContendedError(StoreError):
    """Deadlocks or serialization failures outlasted the retries; nothing was written."""


class OutcomeUnknownError(StoreError):
    """The connection was lost while committing: the transaction may or may not be written.

    Repeating the operation is safe where it carries an idempotency key.
    """


class ReadOnlyError(StoreError):
    """The server accepts no writes now; nothing was written."""


class EvaluationError(StoreError):
    """The database refused a statement for another reason; nothing was written."""


class SchemaError(StoreError):
    """The schema is missing, or not at the version this code was built for."""
