"""The state that a ledger's events make, compared with the state that the tables hold.

Every row names the event that last wrote it. The rows come along with the events, in the order of
those numbers, so a comparison holds only what may still change: nothing grows with what is over.
A row that says another number than its last event, or something else than that event says, was
written past the ledger.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from enforcement.domain.checkpoint import Checkpoint, Row
from enforcement.domain.decision import Decision, digest
from enforcement.domain.enums import Event
from enforcement.domain.ledger import ChainFault, ChainVerifier, Entry, head_fault
from enforcement.domain.standing import (
    DECISIONS,
    HELD,
    RECONCILIATIONS,
    Key,
    MismatchError,
    Standing,
    State,
    absent,
    difference,
    fault,
    unwritten,
)
from enforcement.domain.usage import Usage

_DECISION: Final = msgspec.json.Decoder(Decision)
_STATE: Final = msgspec.json.Decoder(State)
_PAYLOAD: Final = msgspec.json.Decoder(State)


class Replay:
    """Follows a tenant's events with their rows, and stops at the first difference.

    Args:
        complete: Whether a checkpoint may be asked for, or met behind the first event.
    """

    def __init__(self, *, complete: bool) -> None:
        self._complete = complete
        self._standing = Standing(complete=complete)
        self._usage = Usage()
        # Ledgers begun before every change was an event are replayed from where they were adopted.
        self._began = False
        self._adopting: list[State] = []
        # Checkpoints that were taken as given: by where they are, their digest.
        self._unproven: dict[int, str] = {}

    def begin(self, checkpoint: Checkpoint) -> ChainFault | None:
        """Go on from a checkpoint: as given before the first event, else compared with our own."""
        if self._began:
            if self.checkpoint(checkpoint.entry_hash).sha256() != checkpoint.sha256():
                detail = "what stands there is not what the events make"
                return fault(checkpoint.sequence, "checkpoint_differs", detail)
            settled = self._standing.settled_fault()
            if settled is not None:
                return settled
        else:
            self._unproven[checkpoint.sequence] = checkpoint.sha256()
        self._began = True
        self._usage = Usage()
        try:
            standing = [
                row
                for row in checkpoint.rows
                if not self._usage.adopt(row.kind, row.id, _STATE.decode(row.state))
            ]
            self._standing = Standing(checkpoint.sequence, standing, complete=self._complete)
        except _UNREADABLE as error:
            detail = f"a row of the checkpoint is none ({type(error).__name__}: {error})"
            return fault(checkpoint.sequence, "unreadable", detail)
        return None

    def stand(self, rows: Iterable[Row]) -> ChainFault | None:
        """Compare rows that events before the checkpoint wrote with what stands there."""
        try:
            return next(filter(None, map(self._standing.compare, rows)), None)
        except _UNREADABLE as error:
            detail = f"a row is none ({type(error).__name__}: {error})"
            return fault(self._standing.sequence, "unreadable", detail)

    def checkpoint(self, entry_hash: bytes) -> Checkpoint:
        """Return what stands after the events so far, of which the last has that hash.

        Raises:
            ValueError: The ledger was begun before every change was an event, and is not yet where
                the state was adopted.
        """
        if not self._began:
            raise ValueError("the state was adopted by a later row")
        rows = sorted(
            (*self._standing.rows(), *self._usage.rows()),
            key=lambda row: (row.sequence, row.kind, row.id),
        )
        return Checkpoint(sequence=self._standing.sequence, entry_hash=entry_hash, rows=rows)

    def feed(self, entry: Entry, rows: Iterable[Row]) -> ChainFault | None:
        """Take the next event, and the rows that it is the last to have written.

        Returns:
            The first difference between what the event says and what the rows hold.
        """
        self._standing.advance()
        try:
            return self._follow(entry, rows)
        except MismatchError as mismatch:
            return fault(entry.sequence, "state_differs", str(mismatch))
        except _UNREADABLE as error:
            # Nothing of ours writes such an event or row.
            detail = f"the event or a row that it wrote is none ({type(error).__name__}: {error})"
            return fault(entry.sequence, "unreadable", detail)

    def _follow(self, entry: Entry, rows: Iterable[Row]) -> ChainFault | None:
        payload = _PAYLOAD.decode(entry.payload)
        expected = self._apply(entry, payload)
        self._standing.supersede(expected)
        decided = False
        for row in rows:
            if row.sequence != entry.sequence:
                return unwritten(row)
            decided = decided or row.kind == DECISIONS
            differing = self._compare(entry, payload, row, expected)
            if differing is not None:
                return differing
        if entry.decision_digest is not None and not decided:
            return fault(
                entry.sequence,
                "missing_decision",
                f"the decision {entry.decision_id} it records is not there",
            )
        for key, state in expected.items():
            # A later event may have written it, if one can.
            if not self._standing.keep(key, entry.sequence, state, found=False):
                return absent(entry.sequence, *key)
        if self._began:
            adopted = entry.event == Event.STATE_ADOPTED
            if adopted or entry.decision_id is not None:
                self._standing.settle(None if adopted else entry.decision_id)
        return None

    def end(self, rows: Iterable[Row], sums: Iterable[Row]) -> ChainFault | None:
        """Compare what is left once the events are over: sums, and what is still alive."""
        for row in rows:
            return unwritten(row)
        for row in sums:
            detail = self._usage.compare(row.kind, row.id, _STATE.decode(row.state))
            if detail is not None:
                return fault(self._standing.sequence, "state_differs", detail)
        detail = self._usage.missing()
        if detail is not None:
            return fault(self._standing.sequence, "missing_row", detail)
        for sequence in self._unproven:
            detail = "no row records what stood there, or rows up to there as kept elsewhere"
            return fault(sequence, "unproven_checkpoint", detail)
        return self._standing.end()

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
        if event in _SAYING:
            _SAYING[event](self, payload)
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
            return unwritten(row)
        detail = difference(row, state)
        if detail is not None:
            return fault(entry.sequence, "state_differs", detail)
        self._standing.keep((row.kind, row.id), entry.sequence, state, found=True)
        return None

    def _compare_decision(self, entry: Entry, payload: State, row: Row) -> ChainFault | None:
        found = _DECISION.decode(row.state)
        if entry.decision_digest is None:
            return fault(
                entry.sequence, "missing_ledger_row", f"no row records the decision {row.id}"
            )
        if row.id != str(found.decision_id):
            return fault(
                entry.sequence,
                "state_differs",
                f"decisions {row.id}: decision_id is {str(found.decision_id)!r}",
            )
        if found.decision_id != entry.decision_id or digest(found) != entry.decision_digest:
            return fault(
                entry.sequence, "digest_differs", f"the decision {row.id} is not what was recorded"
            )
        given = payload.get("key_given", found.idempotency_key != found.fingerprint)
        approval = None if found.approval_id is None else str(found.approval_id)
        if found.key_given != given or approval != payload["approval_id"]:
            return fault(
                entry.sequence,
                "state_differs",
                f"decisions {row.id}: key_given or approval_id is not what was recorded",
            )
        self._standing.found(entry.sequence, found, entry.decision_digest)
        return None

    def _void(self, payload: State) -> None:
        self._standing.void(payload["decision_sequence"])

    def _prove(self, payload: State) -> None:
        said = self._unproven.pop(payload["archived_sequence"], None)
        if said not in {None, payload["checkpoint_sha256"]}:
            raise MismatchError(
                f"the checkpoint at row {payload['archived_sequence']} is not what was recorded"
            )

    def _decide(self, entry: Entry, payload: State) -> dict[Key, State]:
        if not payload["reservation_active"]:
            return {}
        self._standing.reserve(entry.sequence)
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
        self._standing.close(payload["decision_sequence"])
        self._usage.settle(payload)
        written: dict[Key, State] = {}
        for item in payload["credits"]:
            key = (HELD, f"{payload['decision_id']}:{item['grant_id']}")
            written[key] = {**self._standing.held(key), **item}
        if entry.event == Event.RECONCILED:
            written[RECONCILIATIONS, payload["decision_id"]] = payload
        return written

    def _adopt(self, sequence: int, payload: State) -> dict[Key, State]:
        """Take in the state of a ledger begun before every change was an event."""
        self._adopting.extend(payload["rows"])
        if sequence < payload["as_of"]:
            return {}
        self._began = True
        self._standing.forget_rows()
        self._usage = Usage()
        written: dict[Key, State] = {}
        for row in self._adopting:
            if row["kind"] == "open":
                for number in row["state"]:
                    self._standing.reserve(number)
            elif not self._usage.adopt(row["kind"], row["id"], row["state"]):
                written[row["kind"], row["id"]] = row["state"]
        self._adopting = []
        return written


class HistoryVerifier:
    """Follows a tenant's history, chain and state together, up to the first fault.

    A broken chain comes before a state that differs, wherever that is: from events that were
    edited nothing follows.

    Args:
        complete: Whether a checkpoint may be asked for, or met behind the first event.
    """

    def __init__(self, *, complete: bool = True) -> None:
        self._chain = ChainVerifier()
        self._replay = Replay(complete=complete)
        self._broken: ChainFault | None = None
        self._differing: ChainFault | None = None
        self._since = 0
        self._began = False

    @property
    def fault(self) -> ChainFault | None:
        """Return the first fault so far."""
        return self._broken or self._differing

    @property
    def is_new(self) -> bool:
        """Return whether nothing was fed yet."""
        return not self._began

    @property
    def since(self) -> int:
        """Return the number of the row behind which this history begins."""
        return self._since

    @property
    def rows(self) -> int:
        """Return how many ledger rows the chain holds."""
        return self._chain.sequence - self._since

    def begin(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint, which is taken as given where nothing was fed before it.

        In the end a row of the ledger must have recorded one that was taken as given.
        """
        if not self._began:
            self._since = checkpoint.sequence
            self._chain = ChainVerifier(checkpoint.sequence, checkpoint.entry_hash)
        elif self._broken is None:
            self._broken = head_fault(self._chain, checkpoint.sequence, checkpoint.entry_hash)
        self._began = True
        if self.fault is None:
            self._differing = self._replay.begin(checkpoint)

    def stand(self, rows: Iterable[Row]) -> None:
        """Take in rows that events before the checkpoint wrote."""
        if self.fault is None:
            self._differing = self._replay.stand(rows)

    def checkpoint(self) -> Checkpoint:
        """Return what stands after the events so far.

        Raises:
            ValueError: As :meth:`Replay.checkpoint`.
        """
        return self._replay.checkpoint(self._chain.entry_hash)

    def feed(self, entry: Entry, rows: Iterable[Row]) -> bool:
        """Take the next event and its rows; return whether there is any use in more."""
        self._began = True
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


# Events that write no row of their own.
_SAYING: Final = {Event.VOIDED: Replay._void, Event.ARCHIVED: Replay._prove}  # noqa: SLF001  # ours
# What the parts of an event or a row that is none of ours make of it.
_UNREADABLE: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError)
_ROWS: Final = {
    Event.PRINCIPAL_SET: ("principals", "principal_id"),
    Event.LIMITS_SET: ("rate_settings", "bucket"),
    Event.BUDGET_SET: ("budgets", "scope_key"),
    Event.POLICY_UPDATED: ("policies", "policy_version"),
    Event.CREDIT_GRANTED: ("credit_grants", "grant_id"),
}
