"""The ledger's chain: each row's hash covers the row and the hash before it.

A tenant's rows are numbered 1, 2, 3, ... without gaps. The preimage of a row is one field a
line; the payload comes last, so that no field can pretend to be another. The database computes
the same hash when it appends (``enforcement.ledger_entry_hash``); this module is the second
opinion.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from enforcement.domain.timestamps import rfc3339

HASH_DOMAIN: Final = "enforcement.ledger.v1"
GENESIS: Final = bytes(32)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger row.

    Attributes:
        sequence: 1, 2, 3, ... within the tenant.
        event: What happened, a value of ``Event``.
        actor: The principal that caused it.
        decision_id: What it is about, where it is about a decision.
        decision_digest: Of the decision, on rows that record one.
        payload: Canonical JSON.
        prev_hash: Of the row before; 32 zero bytes before the first.
        entry_hash: Of this row.
    """

    tenant_id: UUID
    sequence: int
    event: str
    occurred_at: datetime
    actor: UUID
    decision_id: UUID | None
    decision_digest: bytes | None
    payload: str
    prev_hash: bytes
    entry_hash: bytes


class ChainFault(msgspec.Struct, frozen=True, kw_only=True):
    """The first row that breaks the chain, and how.

    Attributes:
        kind: ``gap``, ``broken_link`` or ``wrong_hash``.
    """

    sequence: int
    kind: str
    detail: str


def preimage(entry: Entry) -> bytes:
    """Return the bytes that a row's hash covers."""
    fields = (
        HASH_DOMAIN,
        str(entry.tenant_id),
        str(entry.sequence),
        entry.prev_hash.hex(),
        entry.event,
        rfc3339(entry.occurred_at),
        str(entry.actor),
        "" if entry.decision_id is None else str(entry.decision_id),
        "" if entry.decision_digest is None else entry.decision_digest.hex(),
        entry.payload,
    )
    return "\n".join(fields).encode()


def entry_hash(entry: Entry) -> bytes:
    """Compute the hash a row should carry."""
    return hashlib.sha256(preimage(entry)).digest()


def chain(entry: Entry, previous: Entry | None) -> Entry:
    """Append a row after another: number it, link it, hash it."""
    linked = msgspec.structs.replace(
        entry,
        sequence=1 if previous is None else previous.sequence + 1,
        prev_hash=GENESIS if previous is None else previous.entry_hash,
    )
    return msgspec.structs.replace(linked, entry_hash=entry_hash(linked))


class ChainVerifier:
    """Follows a tenant's rows in order and stops at the first that breaks the chain.

    Args:
        sequence: Of the row before the first one fed; 0 at the beginning.
        entry_hash: Of that row; the genesis at the beginning.
    """

    def __init__(self, sequence: int = 0, entry_hash: bytes = GENESIS) -> None:
        self.sequence = sequence
        self.entry_hash = entry_hash

    def feed(self, entry: Entry) -> ChainFault | None:
        """Take the next row; return what is wrong with it, if anything is."""
        expected = self.sequence + 1
        if entry.sequence != expected:
            return ChainFault(
                sequence=expected,
                kind="gap",
                detail=f"expected sequence {expected}, found {entry.sequence}",
            )
        if entry.prev_hash != self.entry_hash:
            return ChainFault(
                sequence=entry.sequence,
                kind="broken_link",
                detail=f"prev_hash is {entry.prev_hash.hex()}, expected {self.entry_hash.hex()}",
            )
        computed = entry_hash(entry)
        if entry.entry_hash != computed:
            return ChainFault(
                sequence=entry.sequence,
                kind="wrong_hash",
                detail=f"entry_hash is {entry.entry_hash.hex()}, recomputed {computed.hex()}",
            )
        self.sequence, self.entry_hash = entry.sequence, entry.entry_hash
        return None


def verify_chain(
    entries: Iterable[Entry],
    *,
    head_sequence: int | None = None,
    head_hash: bytes | None = None,
) -> ChainFault | None:
    """Check a tenant's whole ledger, first row first.

    Args:
        entries: In order of sequence.
        head_sequence: The last number handed out, where known: rows cut from the end show.
        head_hash: The hash of that row, where known.

    Returns:
        The first fault, or None when the chain holds.
    """
    verifier = ChainVerifier()
    for entry in entries:
        fault = verifier.feed(entry)
        if fault is not None:
            return fault
    return head_fault(verifier, head_sequence, head_hash)


def head_fault(
    verifier: ChainVerifier, head_sequence: int | None, head_hash: bytes | None
) -> ChainFault | None:
    """Compare where the rows ended with where the chain's head says they should."""
    if head_sequence is not None and verifier.sequence != head_sequence:
        return ChainFault(
            sequence=min(verifier.sequence, head_sequence) + 1,
            kind="gap",
            detail=f"rows end at {verifier.sequence}, the head is at {head_sequence}",
        )
    if head_hash is not None and verifier.entry_hash != head_hash:
        return ChainFault(
            sequence=verifier.sequence,
            kind="broken_link",
            detail="the last row's hash is not the head's",
        )
    return None
