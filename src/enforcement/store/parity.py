"""Parity: decisions and ledger say the same, proven by digests in one snapshot."""

from datetime import datetime
from typing import Final

import msgspec

from enforcement.domain.identity import Caller
from enforcement.store.database import Database

MAX_WINDOW_ROWS: Final = 100_000


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """What the comparison saw.

    Attributes:
        parity_ok: Everything below agrees.
        decisions: How many were compared.
        ledger_rows: All rows in the range of those decisions, of whatever event.
        decision_rows: Those of them that record a decision.
        decisions_sha256: Over the digests recomputed from the decisions, in order of sequence.
        ledger_sha256: Over the digests the ledger carries, in order of sequence.
        first_sequence: Of the range; null when empty.
        last_sequence: Of the range; null when empty.
        chain_ok: Rows of the range are gap-free, linked and hash as they should.
        first_mismatch: Sequence of the first row or decision that disagrees.
        mismatch_reason: ``missing_ledger_row``, ``missing_decision``, ``digest_differs``,
            ``gap``, ``broken_link`` or ``wrong_hash``.
    """

    parity_ok: bool
    decisions: int
    ledger_rows: int
    decision_rows: int
    decisions_sha256: str
    ledger_sha256: str
    first_sequence: int | None
    last_sequence: int | None
    chain_ok: bool
    first_mismatch: int | None
    mismatch_reason: str | None


async def newest(db: Database, caller: Caller, *, limit: int) -> Parity:
    """Compare the newest decisions (1 to 1000, by sequence); costs the same at any table size."""
    raise NotImplementedError


async def window(db: Database, caller: Caller, *, start_at: datetime, end_at: datetime) -> Parity:
    """Compare every decision made from ``start_at`` (inclusive) to ``end_at`` (exclusive).

    Raises:
        InvalidError: ``too_many_rows`` beyond 100,000 decisions.
    """
    raise NotImplementedError
