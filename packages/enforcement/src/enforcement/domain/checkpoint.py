"""A checkpoint: what stands of a tenant's state at one row of its ledger.

Rows up to there can then be kept elsewhere: who has the checkpoint follows the events behind it as
if it had followed all of them. Its SHA-256 is in the ledger, in the event that says so.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

HASH_DOMAIN: Final = b"enforcement.checkpoint.v1\n"


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


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at a row of the ledger.

    Attributes:
        sequence: Of that row.
        entry_hash: Of that row.
        rows: What a later event may still write, or what lasts, as the events up to there left it;
            decisions by their digest; and the sums over projects and grants. In the order of
            sequence, kind and id.
    """

    sequence: int
    entry_hash: bytes
    rows: Sequence[Row]

    def sha256(self) -> str:
        """Return its digest: 64 hexadecimal digits over where it is and every row."""
        hashed = hashlib.sha256(HASH_DOMAIN)
        hashed.update(f"{self.sequence}\n{self.entry_hash.hex()}\n".encode())
        for row in self.rows:
            fields = [row.sequence, row.kind, row.id, row.state]
            hashed.update(msgspec.json.encode(fields) + b"\n")
        return hashed.hexdigest()
