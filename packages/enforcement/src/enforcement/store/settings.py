"""What the store is told once, at start."""

from typing import Final

import msgspec

SCHEMA: Final = "enforcement"
APP_ROLE: Final = "enforcement_app"
OWNER_ROLE: Final = "enforcement_owner"


class Safety(msgspec.Struct, frozen=True, kw_only=True):
    """Protections that tests of teeth switch off, one at a time; everything is on by default.

    Attributes:
        idempotency: Look a gate's key up, and keep it unique.
        lock: Take the tenant's lock before reading what a decision depends on.
        limits: Count requests against their limits.
    """

    idempotency: bool = True
    lock: bool = True
    limits: bool = True

    def unsafe(self) -> list[str]:
        """Name what is switched off, as ``/health`` shows it: ``["idempotency_off"]``."""
        names = ("idempotency", "lock", "limits")
        return [f"{name}_off" for name in names if not getattr(self, name)]


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the store connects and how long it waits; seconds.

    Attributes:
        dsn: Of the application role, with its password.
        pool_size: Connections, opened at start and kept.
        pool_timeout_s: Wait for a free connection before ``UnavailableError``.
        max_waiting: Callers that may wait at once; more are refused at once. 0: twice the pool.
        connect_timeout_s: Whole seconds; libpq takes no fractions.
        statement_timeout_s: Bound the server puts on one statement.
        lock_timeout_s: Wait for the tenant's lock.
        idle_in_transaction_timeout_s: After which the server ends a forgotten transaction.
        operation_timeout_s: Hard deadline of an operation that brings none of its own.
        max_attempts: Of one operation that meets deadlocks or serialization failures.
        application_name: As shown in ``pg_stat_activity``.
    """

    dsn: str
    pool_size: int = 8
    pool_timeout_s: float = 0.75
    max_waiting: int = 0
    connect_timeout_s: int = 2
    statement_timeout_s: float = 5.0
    lock_timeout_s: float = 1.6
    idle_in_transaction_timeout_s: float = 10.0
    operation_timeout_s: float = 5.0
    max_attempts: int = 4
    application_name: str = "enforcement"
