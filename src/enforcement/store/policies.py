"""Policies: every version is kept, the newest holds."""

from uuid import UUID

from enforcement.domain.identity import Caller
from enforcement.domain.policy import Policy, PolicyDocument
from enforcement.store.database import Database


async def current(db: Database, tenant_id: UUID) -> Policy:
    """Return the newest policy; ``DEFAULT_POLICY`` (version 0) where none was ever set."""
    raise NotImplementedError


async def put(db: Database, caller: Caller, document: PolicyDocument) -> Policy:
    """Store a document as the next version, with a ledger row.

    Raises:
        InvalidError: As ``enforcement.domain.policy.normalise_document``.
    """
    raise NotImplementedError
