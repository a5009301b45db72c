"""Parity: decisions and ledger say the same, proven by digests in one snapshot."""

from datetime import datetime
from typing import Final

import msgspec

from enforcement.domain.errors import InvalidError
from enforcement.domain.identity import Caller
from enforcement.store.database import Database

MAX_WINDOW_ROWS: Final = 100_000
MAX_NEWEST: Final = 1000


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


_READER: Final = msgspec.json.Decoder(Parity)


async def newest(db: Database, caller: Caller, *, limit: int) -> Parity:
    """Compare the newest decisions (1 to 1000, by sequence); costs the same at any table size.

    Raises:
        InvalidError: ``limit_out_of_range``.
    """
    if not 1 <= limit <= MAX_NEWEST:
        raise InvalidError("limit_out_of_range", f"limit is {limit}, expected 1 to {MAX_NEWEST}")
    return _READER.decode(await db.call("parity_newest", (caller.tenant_id, limit)))


async def window(db: Database, caller: Caller, *, start_at: datetime, end_at: datetime) -> Parity:
    """Compare every decision made from ``start_at`` (inclusive) to ``end_at`` (exclusive).

    The range is widened to whole stretches of the ledger: from the first such decision's row to
    the last one's.

    Raises:
        InvalidError: ``empty_window``, or ``too_many_rows`` beyond 100,000 ledger rows.
    """
    if end_at <= start_at:
        raise InvalidError("empty_window", "the window's end is not after its start")
    text = await db.call("parity_window", (caller.tenant_id, start_at, end_at, MAX_WINDOW_ROWS))
    if not text:
        raise InvalidError(
            "too_many_rows",
            f"the window holds more than {MAX_WINDOW_ROWS} ledger rows",
            hint="Narrow the window, or ask with limit=1..1000 for the newest decisions.",
        )
    return _READER.decode(text)
