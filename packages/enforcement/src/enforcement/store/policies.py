"""Policies: every version is kept, the newest holds."""

from uuid import UUID

from enforcement.domain.enums import Event
from enforcement.domain.identity import Caller
from enforcement.domain.policy import (
    DEFAULT_POLICY,
    Policy,
    PolicyDocument,
    document_text,
    materialise,
    read_policy,
)
from enforcement.store.database import Database, Transaction


async def current(db: Database, tenant_id: UUID) -> Policy:
    """Return the newest policy; ``DEFAULT_POLICY`` (version 0) where none was ever set."""
    rows = await db.read(
        tenant_id,
        "SELECT version, document FROM enforcement.policies WHERE tenant_id = %s"
        " ORDER BY version DESC LIMIT 1",
        (tenant_id,),
    )
    policy = read_policy(rows[0][1], rows[0][0]) if rows else DEFAULT_POLICY
    known = db.policies.get(tenant_id)
    if known is None or known.version <= policy.version:
        # An answer that was under way while a newer version was stored must not undo it.
        db.policies[tenant_id] = policy
    return policy


async def put(db: Database, caller: Caller, document: PolicyDocument) -> Policy:
    """Store a document as the next version, with a ledger row.

    Raises:
        InvalidError: As ``enforcement.domain.policy.normalise_document``.
    """
    draft = materialise(document, version=0)
    text = document_text(draft.document)

    async def work(tx: Transaction) -> Policy:
        row = await tx.one(
            "INSERT INTO enforcement.policies"
            " (tenant_id, version, document, sha256, created_by, created_at)"
            " SELECT %s, coalesce(max(version), 0) + 1, %s, %s, %s, %s"
            " FROM enforcement.policies WHERE tenant_id = %s RETURNING version",
            (tx.tenant_id, text, draft.sha256, caller.principal_id, tx.now, tx.tenant_id),
        )
        version = row[0] if row else 0
        await tx.append(
            Event.POLICY_UPDATED,
            caller.principal_id,
            {
                "schema_version": draft.document.schema_version,
                "policy_version": version,
                "policy_sha256": draft.sha256,
            },
        )
        return read_policy(text, version)

    policy = await db.run(caller.tenant_id, work)
    db.policies[caller.tenant_id] = policy
    return policy
