"""What stands after a tenant's events so far: rows that may be written again, decisions alive."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import msgspec

from enforcement.domain.canonical import canonical_text
from enforcement.domain.checkpoint import Row
from enforcement.domain.decision import Decision, digest
from enforcement.domain.ledger import ChainFault

Key = tuple[str, str]
State = dict[str, Any]

DECISIONS: Final = "decisions"
APPROVALS: Final = "approvals"
HELD: Final = "credit_reservations"
RECONCILIATIONS: Final = "reconciliations"
_DECISION: Final = msgspec.json.Decoder(Decision)
_STATE: Final = msgspec.json.Decoder(State)
_FINAL_STATES: Final = frozenset({"denied", "expired", "cancelled"})
# Written once, and there for good.
_LASTING: Final = frozenset({"policies", "credit_grants"})


class MismatchError(Exception):
    """An event that does not fit those before it, or the rows."""


class _Standing(msgspec.Struct, gc=False):
    """What an event last said of a row, and whether it was so found.

    Attributes:
        state: Canonical JSON.
        final: Whether no event can write it again.
    """

    sequence: int
    found: bool
    final: bool
    state: str


class _Decided(msgspec.Struct):
    """A decision with a reservation or an approval that may still change.

    Attributes:
        keys: Of the rows that hang on it.
    """

    sequence: int
    digest: bytes
    key_given: bool
    approval_id: str | None
    found: bool
    keys: tuple[Key, ...] = ()


class Standing:
    """Rows and decisions as the events so far leave them.

    Args:
        sequence: Of the row behind which the events begin.
        rows: Of the checkpoint there, without the sums.
        complete: Whether a checkpoint may be asked for, which takes every decision that is alive.
    """

    def __init__(
        self, sequence: int = 0, rows: Iterable[Row] = (), *, complete: bool = True
    ) -> None:
        self._begin = sequence
        self._complete = complete
        # By the number of the decision's event: whether its reservation is active.
        self._open = bytearray(sequence + 1)
        self._open_in_table = bytearray(sequence + 1)
        self._voided: set[int] = set()
        self._voided_in_table: set[int] = set()
        self._decisions: dict[UUID, _Decided] = {}
        self._rows: dict[Key, _Standing] = {}
        for row in rows:
            self._resume(row)
        self._kept = frozenset(decided.sequence for decided in self._decisions.values())

    def _resume(self, row: Row) -> None:
        state = _STATE.decode(row.state)
        if row.kind != DECISIONS:
            standing = _Standing(
                row.sequence, found=False, final=is_final(row.kind, state), state=row.state
            )
            self._put((row.kind, row.id), state, standing)
            return
        self._decisions[UUID(row.id)] = _Decided(
            row.sequence,
            bytes.fromhex(state["decision_digest"]),
            state["key_given"],
            state["approval_id"],
            found=False,
        )
        self._open[row.sequence] = state["reservation_active"]
        if state["voided"]:
            self._voided.add(row.sequence)

    @property
    def sequence(self) -> int:
        """Return the number of the last event."""
        return len(self._open) - 1

    def advance(self) -> None:
        """Go on to the next event."""
        self._open.append(0)
        self._open_in_table.append(0)

    def reserve(self, sequence: int) -> None:
        """Take in that the decision of an event has an active reservation."""
        self._open[sequence] = 1

    def close(self, sequence: int) -> None:
        """Take in that a reservation ended.

        Raises:
            MismatchError: It was not active.
        """
        if not 0 < sequence < len(self._open) or not self._open[sequence]:
            raise MismatchError(f"the reservation of row {sequence} was not active")
        self._open[sequence] = 0

    def void(self, sequence: int) -> None:
        """Take in that a decision was voided; one that is kept elsewhere has no row to say so."""
        if sequence > self._begin or sequence in self._kept:
            self._voided.add(sequence)

    def found(self, sequence: int, decision: Decision, decided_digest: bytes) -> None:
        """Take in the row of the decision that an event recorded."""
        if self._complete:
            approval = None if decision.approval_id is None else str(decision.approval_id)
            self._decisions[decision.decision_id] = _Decided(
                sequence, decided_digest, decision.key_given, approval, found=True
            )
        self._see(sequence, decision)

    def _see(self, sequence: int, decision: Decision) -> None:
        self._open_in_table[sequence] = decision.reservation_active
        if decision.voided:
            self._voided_in_table.add(sequence)

    def held(self, key: Key) -> State:
        """Return what is held of a grant.

        Raises:
            MismatchError: Nothing is.
        """
        held = self._rows.get(key)
        if held is None or held.final:
            raise MismatchError(f"{key[0]} {key[1]} was not held")
        return _STATE.decode(held.state)

    def keep(self, key: Key, sequence: int, state: State, *, found: bool) -> bool:
        """Remember what an event said of a row, while anything depends on it.

        Returns:
            False where the row must be there, and is not: no later event can have written it.
        """
        final = is_final(key[0], state)
        if final and not found:
            self._rows.pop(key, None)
            return False
        if found and _hangs(key[0]) and not self._complete:
            # Done with: were it written again, the row of that event would be missing. There is one
            # for each decision that waits, and there may be a million of those.
            self._rows.pop(key, None)
            return True
        self._put(
            key, state, _Standing(sequence, found=found, final=final, state=canonical_text(state))
        )
        return True

    def _put(self, key: Key, state: State, standing: _Standing) -> None:
        decided = self._decisions.get(UUID(state["decision_id"])) if _hangs(key[0]) else None
        if decided is not None:
            if key not in decided.keys:
                decided.keys = (*decided.keys, key)
        elif standing.final and key[0] not in _LASTING:
            self._rows.pop(key, None)
            return
        self._rows[key] = standing

    def supersede(self, written: Iterable[Key]) -> None:
        """Refuse rows that are as an earlier event left them, though a later one wrote them.

        Raises:
            MismatchError: With the first of them.
        """
        for key in written:
            before = self._rows.get(key)
            if before is not None and before.found:
                raise MismatchError(
                    f"{key[0]} {key[1]} is as row {before.sequence} left it, and was written again"
                )

    def forget_rows(self) -> None:
        """Forget every row: the state is about to be adopted."""
        self._rows.clear()

    def settle(self, decision_id: UUID | None = None) -> None:
        """Forget a decision, or all, with what hangs on it, where nothing of it can change."""
        for key in list(self._decisions) if decision_id is None else (decision_id,):
            decided = self._decisions.get(key)
            if decided is None or self._open[decided.sequence]:
                continue
            if decided.approval_id is not None:
                approval = self._rows.get((APPROVALS, decided.approval_id))
                if approval is None or not approval.final:
                    continue
            for hanging in self._decisions.pop(key).keys:
                self._rows.pop(hanging, None)

    def compare(self, row: Row) -> ChainFault | None:
        """Compare a row that an event before the first one wrote with the checkpoint."""
        if row.kind == DECISIONS:
            return self._compare_decision(row)
        standing = self._rows.get((row.kind, row.id))
        if standing is None or standing.sequence != row.sequence or standing.found:
            return unwritten(row)
        detail = difference(row, _STATE.decode(standing.state))
        if detail is not None:
            return fault(row.sequence, "state_differs", detail)
        standing.found = True
        return None

    def _compare_decision(self, row: Row) -> ChainFault | None:
        decided = self._decisions.get(UUID(row.id))
        if decided is None or decided.sequence != row.sequence or decided.found:
            return unwritten(row)
        decision = _DECISION.decode(row.state)
        approval = None if decision.approval_id is None else str(decision.approval_id)
        if digest(decision) != decided.digest:
            detail = f"the decision {row.id} is not what was recorded"
            return fault(row.sequence, "digest_differs", detail)
        if (decision.key_given, approval) != (decided.key_given, decided.approval_id):
            detail = f"decisions {row.id}: key_given or approval_id is not what was recorded"
            return fault(row.sequence, "state_differs", detail)
        decided.found = True
        self._see(row.sequence, decision)
        return None

    def rows(self) -> list[Row]:
        """Return what stands, as a checkpoint has it."""
        rows = [Row(row.sequence, *key, row.state) for key, row in self._rows.items()]
        for key, decided in self._decisions.items():
            state = {
                "decision_digest": decided.digest.hex(),
                "key_given": decided.key_given,
                "approval_id": decided.approval_id,
                "reservation_active": bool(self._open[decided.sequence]),
                "voided": decided.sequence in self._voided,
            }
            rows.append(Row(decided.sequence, DECISIONS, str(key), canonical_text(state)))
        return rows

    def settled_fault(self) -> ChainFault | None:
        """Name a decision that is over, and whose row has an active reservation all the same."""
        alive = {decided.sequence for decided in self._decisions.values()}
        for sequence, active in enumerate(self._open_in_table):
            if active and not self._open[sequence] and sequence not in alive:
                return _reservation_fault(sequence, found=True)
        return None

    def end(self) -> ChainFault | None:
        """Name the first row that did not come, or flag that differs, once the events are over."""
        for (kind, id_), row in self._rows.items():
            if not row.found:
                return absent(row.sequence, kind, id_)
        for key, decided in self._decisions.items():
            if not decided.found:
                return absent(decided.sequence, DECISIONS, str(key))
        if self._open != self._open_in_table:
            pairs = enumerate(zip(self._open, self._open_in_table, strict=True))
            sequence, (_, found) = next(item for item in pairs if item[1][0] != item[1][1])
            return _reservation_fault(sequence, found=bool(found))
        odd = self._voided ^ self._voided_in_table
        if odd:
            sequence = min(odd)
            detail = (
                f"decisions: voided is {sequence in self._voided_in_table} of the decision that"
                " this row records, and the events say otherwise"
            )
            return fault(sequence, "state_differs", detail)
        return None


def is_final(kind: str, state: State) -> bool:
    """Say whether no event can write a row again."""
    if kind in _LASTING or kind == RECONCILIATIONS:
        return True
    if kind == APPROVALS:
        return state["state"] in _FINAL_STATES or state["token_consumed_at"] is not None
    if kind == HELD:
        return (state["consumed_usd"], state["released_usd"]) != ("0.0000", "0.0000")
    return False


def _hangs(kind: str) -> bool:
    return kind in {APPROVALS, HELD, RECONCILIATIONS}


def difference(row: Row, said: State) -> str | None:
    """Return what a row holds that events did not say, or None."""
    for name, value in _STATE.decode(row.state).items():
        if name not in said:
            return f"{row.kind} {row.id}: {name} is {value!r}, and was never written"
        if said[name] != value:
            return f"{row.kind} {row.id}: {name} is {value!r}, and was written as {said[name]!r}"
    return None


def fault(sequence: int, kind: str, detail: str) -> ChainFault:
    """Return a fault."""
    return ChainFault(sequence=sequence, kind=kind, detail=detail)


def unwritten(row: Row) -> ChainFault:
    """Return the fault of a row that names an event that did not write it."""
    what = "missing_ledger_row" if row.kind == DECISIONS else "unexpected_row"
    detail = f"{row.kind} {row.id} says that row {row.sequence} wrote it, which it did not"
    return fault(row.sequence, what, detail)


def absent(sequence: int, kind: str, key: str) -> ChainFault:
    """Return the fault of a row that is not there."""
    detail = f"{kind} {key} is not there, or says that another row wrote it"
    return fault(sequence, "missing_row", detail)


def _reservation_fault(sequence: int, *, found: bool) -> ChainFault:
    detail = (
        f"decisions: reservation_active is {found} of the decision that this row records, and the"
        f" events say {not found}"
    )
    return fault(sequence, "state_differs", detail)
