"""Policies: every version is kept, the newest holds."""

from typing import Final
from uuid import UUID

import msgspec

from enforcement.domain.enums import Event, Role
from enforcement.domain.identity import Caller
from enforcement.domain.policy import (
    DEFAULT_POLICY,
    Policy,
    PolicyDocument,
    document_text,
    materialise,
    read_policy,
)
from enforcement.domain.separation import weakened_separation
from enforcement.store import wire
from enforcement.store.database import Database, Transaction

_NEWEST: Final = (
    "SELECT json_build_array(version, document) FROM enforcement.policies"
    " WHERE tenant_id = $1 ORDER BY version DESC LIMIT 1"
)
_VERSION: Final = msgspec.json.Decoder(tuple[int, str])


async def current(db: Database, tenant_id: UUID) -> Policy:
    """Return the newest policy; ``DEFAULT_POLICY`` (version 0) where none was ever set."""
    text = await db.text(wire.enter(tenant_id), wire.Statement(_NEWEST, (tenant_id,)))
    policy = DEFAULT_POLICY
    if text:
        version, document = _VERSION.decode(text)
        policy = read_policy(document, version)
    known = db.policies.get(tenant_id)
    if known is None or known.version <= policy.version:
        # An answer that was under way while a newer version was stored must not undo it.
        db.policies[tenant_id] = policy
    return policy


async def put(db: Database, caller: Caller, document: PolicyDocument) -> Policy:
    """Store a document as the next version, with a ledger row.

    Raises:
        ForbiddenError: ``role_required``: it weakens the separation of duties, which only an
            owner may.
        InvalidError: As ``enforcement.domain.policy.normalise_document``.
    """
    draft = materialise(document, version=0)
    text = document_text(draft.document)

    async def work(tx: Transaction) -> Policy:
        row = await tx.one(
            "SELECT version, document FROM enforcement.policies WHERE tenant_id = %s"
            " ORDER BY version DESC LIMIT 1",
            (tx.tenant_id,),
        )
        before = DEFAULT_POLICY if row is None else read_policy(row[1], row[0])
        weakened = weakened_separation(before, draft)
        if weakened is not None:
            caller.demand_role(Role.OWNER)
        version = before.version + 1
        await tx.record(
            Event.POLICY_UPDATED,
            caller.principal_id,
            {
                "schema_version": draft.document.schema_version,
                "policy_version": version,
                "policy_sha256": draft.sha256,
                "document": text,
                "created_by": caller.principal_id,
                "created_at": tx.now,
                "separation_weakened": None if weakened is None else weakened.plain(),
            },
        )
        return read_policy(text, version)

    policy = await db.run(caller.tenant_id, work)
    db.policies[caller.tenant_id] = policy
    return policy
