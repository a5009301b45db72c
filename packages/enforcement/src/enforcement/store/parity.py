"""Parity: decisions and ledger say the same, proven by digests in one snapshot."""

import asyncio
import base64
import contextlib
import hashlib
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from enforcement.domain.errors import InvalidError
from enforcement.domain.identity import Caller
from enforcement.store import wire
from enforcement.store.database import Database
from enforcement.store.pages import demand_limit

WINDOW_DEADLINE_S: Final = 300.0
PART_ROWS: Final = 4000


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
        archived_sequence: Rows up to this one are archived, with their decisions, and were not
            compared; 0 where none are.
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
    archived_sequence: int


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """What ``enforcement.parity_part`` says of a stretch; digests in base64, in order."""

    decisions: int
    ledger_rows: int
    decision_rows: int
    decision_digests: str
    ledger_digests: str
    chain_ok: bool
    first_mismatch: int | None
    mismatch_reason: str | None


_NEWEST: Final = msgspec.json.Decoder(tuple[int | None, int | None, int | None, _Part])
_BOUNDS: Final = msgspec.json.Decoder(tuple[int | None, int | None, int | None])
_PART: Final = msgspec.json.Decoder(_Part)


class _Comparison:
    """Stretches of one snapshot, each behind the one before, as one comparison."""

    def __init__(self, archived_sequence: int | None) -> None:
        self._archived_sequence = archived_sequence or 0
        self._decisions = hashlib.sha256()
        self._ledger = hashlib.sha256()
        self._counts = [0, 0, 0]
        self._chain_ok = True
        self._fault: tuple[int | None, str | None] = (None, None)

    def add(self, part: _Part) -> None:
        """Take the next stretch in."""
        self._decisions.update(base64.b64decode(part.decision_digests))
        self._ledger.update(base64.b64decode(part.ledger_digests))
        counts = (part.decisions, part.ledger_rows, part.decision_rows)
        self._counts = [before + more for before, more in zip(self._counts, counts, strict=True)]
        self._chain_ok = self._chain_ok and part.chain_ok
        if self._fault == (None, None):
            self._fault = (part.first_mismatch, part.mismatch_reason)

    def result(self, low: int | None, high: int | None) -> Parity:
        """Return what was seen from the first sequence to the last."""
        decisions, ledger_rows, decision_rows = self._counts
        first_mismatch, reason = self._fault
        return Parity(
            parity_ok=reason is None,
            decisions=decisions,
            ledger_rows=ledger_rows,
            decision_rows=decision_rows,
            decisions_sha256=self._decisions.hexdigest(),
            ledger_sha256=self._ledger.hexdigest(),
            first_sequence=low,
            last_sequence=high,
            chain_ok=self._chain_ok,
            first_mismatch=first_mismatch,
            mismatch_reason=reason,
            archived_sequence=self._archived_sequence,
        )


async def newest(db: Database, caller: Caller, *, limit: int) -> Parity:
    """Compare the newest decisions (1 to 1000, by sequence); costs the same at any table size.

    Raises:
        InvalidError: ``limit_out_of_range``.
    """
    demand_limit(limit)
    text = await db.call("parity_newest", (caller.tenant_id, limit))
    archived, low, high, part = _NEWEST.decode(text)
    seen = _Comparison(archived)
    seen.add(part)
    return seen.result(low, high)


async def window(db: Database, caller: Caller, *, start_at: datetime, end_at: datetime) -> Parity:
    """Compare every decision made from ``start_at`` (inclusive) to ``end_at`` (exclusive).

    The range is widened to whole stretches of the ledger: from the first such decision's row to
    the last one's. However many they are, one snapshot is read, some thousand rows at a time.

    Raises:
        InvalidError: ``empty_window``.
    """
    if end_at <= start_at:
        raise InvalidError("empty_window", "the window's end is not after its start")
    deadline = db.deadline(WINDOW_DEADLINE_S)
    return await db.retrying(
        lambda: _compare(db, deadline, caller.tenant_id, start_at, end_at), deadline
    )


async def _compare(
    db: Database, deadline: float, tenant_id: UUID, start_at: datetime, end_at: datetime
) -> Parity:
    async with contextlib.AsyncExitStack() as stack:
        leases = [await stack.enter_async_context(db.lease(deadline))]
        await leases[0].message(_begin(tenant_id))
        bounds = await leases[0].text(wire.call("parity_bounds", (tenant_id, start_at, end_at)))
        archived, low, high = _BOUNDS.decode(bounds)
        seen = _Comparison(archived)
        if low is None or high is None:
            return seen.result(low, high)
        parts = [
            (tenant_id, first, min(first + PART_ROWS - 1, high))
            for first in range(low, high + 1, PART_ROWS)
        ]
        available = db.statistics().get("pool_available", 0)
        if len(parts) > 1 and 2 * available > db.settings.pool_size:
            # It is hashing that takes the time: another backend shares it, and the snapshot.
            rows = await leases[0].message("SELECT pg_export_snapshot()")
            leases.append(await stack.enter_async_context(db.lease(deadline)))
            await leases[1].message(_begin(tenant_id, snapshot=rows[0][0]))
        while parts:
            turn, parts = parts[: len(leases)], parts[len(leases) :]
            calls = (
                lease.text(wire.call("parity_part", part))
                for lease, part in zip(leases, turn, strict=False)
            )
            for text in await asyncio.gather(*calls, return_exceptions=True):
                if isinstance(text, BaseException):
                    raise text
                seen.add(_PART.decode(text))
        return seen.result(low, high)


def _begin(tenant_id: UUID, *, snapshot: str = "") -> str:
    """Return what begins a reading transaction of a tenant, maybe in the snapshot of another."""
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
    share = f"SET TRANSACTION SNAPSHOT '{snapshot}'; " if snapshot else ""
    return f"{begin}{share}SELECT enforcement.enter('{tenant_id}')"
