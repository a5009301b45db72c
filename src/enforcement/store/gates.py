"""Gate decisions: lock and read in one round trip, decide, write in one round trip."""

from uuid import UUID

import msgspec

from enforcement.domain.decision import Decision
from enforcement.domain.failsafe import FailsafeEntry
from enforcement.domain.identity import Caller
from enforcement.domain.policy import Policy
from enforcement.domain.request import GateRequest
from enforcement.store.database import Database


class GateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, and whether it had been made before under the same key."""

    decision: Decision
    replayed: bool


async def evaluate(
    db: Database, caller: Caller, request: GateRequest, *, deadline_s: float | None = None
) -> GateAnswer:
    """Decide a request in one transaction and return what was committed.

    Args:
        db: The pool.
        caller: Becomes actor of the ledger row and requester of an approval.
        request: Normalised; its idempotency key is looked up first.
        deadline_s: Hard bound on everything, retries included. Do not wrap this call in
            ``asyncio.timeout``: psycopg answers a cancellation by waiting for the server.

    Raises:
        ConflictError: ``idempotency_conflict``: the key was used for another request.
        NotFoundError: ``tenant_unknown``.
        LockTimeoutError: ``gate_lock_timeout``.
        ContendedError: ``gate_lock_contended``.
        DeadlineError: ``gate_timeout``.
        UnavailableError, OutcomeUnknownError, ReadOnlyError, EvaluationError:
            ``gate_evaluation_error``.
    """
    raise NotImplementedError


def known_policy(db: Database, tenant_id: UUID) -> Policy | None:
    """Return the tenant's policy as this process last read it, without I/O; None if never."""
    raise NotImplementedError


async def record_failsafe(db: Database, entry: FailsafeEntry) -> bool:
    """Write a journalled fail-safe, its approval and its ledger row, exactly once.

    Returns:
        Whether this call wrote it; False when an earlier one had.

    Raises:
        StoreError: It is not written, or not known to be; try again later.
        NotFoundError: ``tenant_unknown``; it can never be written.
    """
    raise NotImplementedError


async def find_decision(db: Database, caller: Caller, decision_id: UUID) -> Decision:
    """Return a decision of the caller's tenant.

    Raises:
        NotFoundError: ``decision_unknown``.
        StoreError: As every operation.
    """
    raise NotImplementedError
