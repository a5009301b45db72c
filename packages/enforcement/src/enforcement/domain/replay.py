"""The state that a ledger's events make, compared with the state that the tables hold.

Every row names the event that last wrote it. The rows come along with the events, in the order of
those numbers, so a comparison holds only what may still change: nothing grows with what is over.
A row that says another number than its last event, or something else than that event says, was
written past the ledger.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from enforcement.domain.decision import Decision, digest
from enforcement.domain.enums import Event
from enforcement.domain.ledger import ChainFault, ChainVerifier, Entry, head_fault
from enforcement.domain.usage import Usage

Key = tuple[str, str]
State = dict[str, Any]

DECISIONS: Final = "decisions"
HELD: Final = "credit_reservations"
_DECISION: Final = msgspec.json.Decoder(Decision)
_STATE: Final = msgspec.json.Decoder(State)
_PAYLOAD: Final = msgspec.json.Decoder(State)
_FINAL_STATES: Final = frozenset({"denied", "expired", "cancelled"})
# Rows of these are written once.
_WRITTEN_ONCE: Final = frozenset({"policies", "credit_grants", "reconciliations"})


class Row(msgspec.Struct, frozen=True):
    """A row of the state.

    Attributes:
        sequence: Of the event that last wrote it; 0 for a sum over many events.
        kind: Its table.
        id: Its key there, beside the tenant.
        state: Its columns, as JSON.
    """

    sequence: int
    kind: str
    id: str
    state: str


class _Alive(msgspec.Struct):
    """What an event last said of a row that a later one may change; whether it was so found.

    Attributes:
        state: Of a credit reservation alone: the event that ends it says only how it ends.
    """

    sequence: int
    found: bool
    state: State | None


class Replay:
    """Follows a tenant's events with their rows, and stops at the first difference."""

    def __init__(self) -> None:
        self._alive: dict[Key, _Alive] = {}
        self._usage = Usage()
        # By the number of the decision's event: whether its reservation is active.
        self._open = bytearray(1)
        self._open_in_table = bytearray(1)
        self._voided: set[int] = set()
        self._voided_in_table: set[int] = set()
        # Ledgers begun before every change was an event are replayed from where they were adopted.
        self._began = False
        self._adopting: list[State] = []

    def feed(self, entry: Entry, rows: Iterable[Row]) -> ChainFault | None:
        """Take the next event, and the rows that it is the last to have written.

        Returns:
            The first difference between what the event says and what the rows hold.
        """
        self._open.append(0)
        self._open_in_table.append(0)
        try:
            return self._follow(entry, rows)
        except _MismatchError as mismatch:
            return _fault(entry.sequence, "state_differs", str(mismatch))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            # Nothing of ours writes such an event or row.
            detail = f"the event or a row that it wrote is none ({type(error).__name__}: {error})"
            return _fault(entry.sequence, "unreadable", detail)

    def _follow(self, entry: Entry, rows: Iterable[Row]) -> ChainFault | None:
        payload = _PAYLOAD.decode(entry.payload)
        expected = self._apply(entry, payload)
        self._supersede(expected)
        decided = False
        for row in rows:
            if row.sequence != entry.sequence:
                return _unwritten(row)
            decided = decided or row.kind == DECISIONS
            fault = self._compare(entry, payload, row, expected)
            if fault is not None:
                return fault
        if entry.decision_digest is not None and not decided:
            return _fault(
                entry.sequence,
                "missing_decision",
                f"the decision {entry.decision_id} it records is not there",
            )
        return self._missing(entry, expected)

    def end(self, rows: Iterable[Row], sums: Iterable[Row]) -> ChainFault | None:
        """Compare what is left once the events are over: sums, and what is still alive."""
        for row in rows:
            return _unwritten(row)
        for row in sums:
            detail = self._usage.compare(row.kind, row.id, _STATE.decode(row.state))
            if detail is not None:
                return _fault(len(self._open) - 1, "state_differs", detail)
        detail = self._usage.missing()
        if detail is not None:
            return _fault(len(self._open) - 1, "missing_row", detail)
        for (kind, id_), alive in self._alive.items():
            if not alive.found:
                return _absent(alive.sequence, kind, id_)
        return self._flags()

    def _apply(self, entry: Entry, payload: State) -> dict[Key, State]:
        """Return the rows that an event writes."""
        event = Event(entry.event)
        if event is Event.TENANT_CREATED:
            self._began = True
        if event is Event.STATE_ADOPTED:
            return self._adopt(entry.sequence, payload)
        if not self._began:
            return {}
        if event in {Event.DECISION, Event.FAILSAFE}:
            return self._decide(entry, payload)
        if event in {Event.RECONCILED, Event.RELEASED}:
            return self._settle(entry, payload)
        if event is Event.VOIDED:
            self._voided.add(payload["decision_sequence"])
            return {}
        if event is Event.CREDIT_GRANTED:
            self._usage.grant(payload)
        if event is Event.BUDGET_SET:
            self._usage.budget(payload)
        return _written(entry, payload)

    def _compare(
        self, entry: Entry, payload: State, row: Row, expected: dict[Key, State]
    ) -> ChainFault | None:
        if row.kind == DECISIONS:
            return self._compare_decision(entry, payload, row)
        state = expected.pop((row.kind, row.id), None)
        if state is None:
            return _unwritten(row)
        for name, value in _STATE.decode(row.state).items():
            if state.get(name) != value:
                return _fault(
                    entry.sequence,
                    "state_differs",
                    f"{row.kind} {row.id}: {name} is {value!r}, and was written as"
                    f" {state.get(name)!r}",
                )
        self._keep((row.kind, row.id), entry.sequence, state, found=True)
        return None

    def _compare_decision(self, entry: Entry, payload: State, row: Row) -> ChainFault | None:
        found = _DECISION.decode(row.state)
        if entry.decision_digest is None:
            return _fault(
                entry.sequence, "missing_ledger_row", f"no row records the decision {row.id}"
            )
        if found.decision_id != entry.decision_id or digest(found) != entry.decision_digest:
            return _fault(
                entry.sequence, "digest_differs", f"the decision {row.id} is not what was recorded"
            )
        given = payload.get("key_given", found.idempotency_key != found.fingerprint)
        approval = None if found.approval_id is None else str(found.approval_id)
        if found.key_given != given or approval != payload["approval_id"]:
            return _fault(
                entry.sequence,
                "state_differs",
                f"decisions {row.id}: key_given or approval_id is not what was recorded",
            )
        self._open_in_table[entry.sequence] = found.reservation_active
        if found.voided:
            self._voided_in_table.add(entry.sequence)
        return None

    def _missing(self, entry: Entry, expected: dict[Key, State]) -> ChainFault | None:
        """Remember rows that did not come, since a later event may have written them."""
        for key, state in expected.items():
            if not self._keep(key, entry.sequence, state, found=False):
                return _absent(entry.sequence, *key)
        return None

    def _keep(self, key: Key, sequence: int, state: State, *, found: bool) -> bool:
        """Remember what an event said of a row, if one may change it; return whether one may."""
        if _is_final(key[0], state):
            self._alive.pop(key, None)
            return False
        held = state if key[0] == HELD else None
        self._alive[key] = _Alive(sequence, found, held)
        return True

    def _flags(self) -> ChainFault | None:
        if self._open != self._open_in_table:
            pairs = enumerate(zip(self._open, self._open_in_table, strict=True))
            sequence, (said, found) = next(item for item in pairs if item[1][0] != item[1][1])
            return _fault(
                sequence,
                "state_differs",
                f"decisions: reservation_active is {bool(found)} of the decision that this row"
                f" records, and the events say {bool(said)}",
            )
        odd = self._voided ^ self._voided_in_table
        if odd:
            sequence = min(odd)
            return _fault(
                sequence,
                "state_differs",
                f"decisions: voided is {sequence in self._voided_in_table} of the decision that"
                " this row records, and the events say otherwise",
            )
        return None

    def _decide(self, entry: Entry, payload: State) -> dict[Key, State]:
        if not payload["reservation_active"]:
            return {}
        self._open[entry.sequence] = 1
        self._usage.reserve(payload)
        return {
            (HELD, f"{payload['decision_id']}:{item['grant_id']}"): {
                "decision_id": payload["decision_id"],
                "grant_id": item["grant_id"],
                "position": position,
                "reserved_usd": item["amount_usd"],
                "consumed_usd": "0.0000",
                "released_usd": "0.0000",
            }
            for position, item in enumerate(payload["credits"])
        }

    def _settle(self, entry: Entry, payload: State) -> dict[Key, State]:
        self._close(payload)
        self._usage.settle(payload)
        written: dict[Key, State] = {}
        for item in payload["credits"]:
            key = (HELD, f"{payload['decision_id']}:{item['grant_id']}")
            held = self._alive.get(key)
            if held is None or held.state is None:
                raise _MismatchError(f"{key[0]} {key[1]} was not held")
            written[key] = {**held.state, **item}
        if entry.event == Event.RECONCILED:
            written["reconciliations", payload["decision_id"]] = payload
        return written

    def _close(self, payload: State) -> None:
        sequence = payload["decision_sequence"]
        if not 0 < sequence < len(self._open) or not self._open[sequence]:
            raise _MismatchError(f"the reservation of row {sequence} was not active")
        self._open[sequence] = 0

    def _supersede(self, written: Iterable[Key]) -> None:
        """Refuse rows that are as an earlier event left them, though a later one wrote them."""
        for key in written:
            before = self._alive.get(key)
            if before is not None and before.found:
                raise _MismatchError(
                    f"{key[0]} {key[1]} is as row {before.sequence} left it, and was written again"
                )

    def _adopt(self, sequence: int, payload: State) -> dict[Key, State]:
        """Take in the state of a ledger begun before every change was an event."""
        self._adopting.extend(payload["rows"])
        if sequence < payload["as_of"]:
            return {}
        self._began = True
        self._alive.clear()
        self._usage = Usage()
        written: dict[Key, State] = {}
        for row in self._adopting:
            if row["kind"] == "open":
                for number in row["state"]:
                    self._open[number] = 1
            elif not self._usage.adopt(row["kind"], row["id"], row["state"]):
                written[row["kind"], row["id"]] = row["state"]
        self._adopting = []
        return written


class HistoryVerifier:
    """Follows a tenant's history, chain and state together, up to the first fault.

    A broken chain comes before a state that differs, wherever that is: from events that were
    edited nothing follows.
    """

    def __init__(self) -> None:
        self._chain = ChainVerifier()
        self._replay = Replay()
        self._broken: ChainFault | None = None
        self._differing: ChainFault | None = None

    @property
    def fault(self) -> ChainFault | None:
        """Return the first fault so far."""
        return self._broken or self._differing

    @property
    def rows(self) -> int:
        """Return how many ledger rows the chain holds."""
        return self._chain.sequence

    def feed(self, entry: Entry, rows: Iterable[Row]) -> bool:
        """Take the next event and its rows; return whether there is any use in more."""
        if self._broken is None:
            self._broken = self._chain.feed(entry)
        if self._broken is None and self._differing is None:
            self._differing = self._replay.feed(entry, rows)
        return self._broken is None

    def end(
        self, head_sequence: int, head_hash: bytes, rows: Iterable[Row], sums: Iterable[Row]
    ) -> ChainFault | None:
        """Compare the end with the chain's head, and the sums; no rows may be left."""
        if self._broken is None:
            self._broken = head_fault(self._chain, head_sequence, head_hash)
        return self.fault or self._replay.end(rows, sums)


class _MismatchError(Exception):
    """An event that does not fit those before it, or the rows."""


def _written(entry: Entry, payload: State) -> dict[Key, State]:
    """Return the rows of an event whose payload is what it writes."""
    event = Event(entry.event)
    if event is Event.COSTS_RECORDED:
        return {
            ("cost_records", day): {"day": day, "amount_usd": amount}
            for day, amount in payload["costs"].items()
        }
    if event in {Event.TENANT_CREATED, Event.PLAN_SET}:
        return {("tenants", str(entry.tenant_id)): payload}
    kind, name = _ROWS.get(event, ("approvals", "approval_id"))
    return {(kind, str(payload[name])): payload}


_ROWS: Final = {
    Event.PRINCIPAL_SET: ("principals", "principal_id"),
    Event.LIMITS_SET: ("rate_settings", "bucket"),
    Event.BUDGET_SET: ("budgets", "scope_key"),
    Event.POLICY_UPDATED: ("policies", "policy_version"),
    Event.CREDIT_GRANTED: ("credit_grants", "grant_id"),
}


def _is_final(kind: str, state: State) -> bool:
    """Say whether no event can write a row again."""
    if kind in _WRITTEN_ONCE:
        return True
    if kind == "approvals":
        return state["state"] in _FINAL_STATES or state["token_consumed_at"] is not None
    if kind == HELD:
        return bool(_settled(state))
    return False


def _settled(state: State) -> bool:
    return (state["consumed_usd"], state["released_usd"]) != ("0.0000", "0.0000")


def _fault(sequence: int, kind: str, detail: str) -> ChainFault:
    return ChainFault(sequence=sequence, kind=kind, detail=detail)


def _unwritten(row: Row) -> ChainFault:
    what = "missing_ledger_row" if row.kind == DECISIONS else "unexpected_row"
    detail = f"{row.kind} {row.id} says that row {row.sequence} wrote it, which it did not"
    return _fault(row.sequence, what, detail)


def _absent(sequence: int, kind: str, key: str) -> ChainFault:
    detail = f"{kind} {key} is not there, or says that another row wrote it"
    return _fault(sequence, "missing_row", detail)
