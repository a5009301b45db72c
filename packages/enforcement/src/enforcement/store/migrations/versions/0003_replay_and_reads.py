"""Every change of state is an event; what reads and gates cost does not grow with history.

Ledgers begun before that take the present state in, as events ``state.adopted``, and are replayed
from there: ``{"as_of": N, "rows": [{"kind", "id", "state"}, ...]}``, where N is the number of the
last of these events, which counts as the one that wrote every row. Rows of the kind ``open`` list
the numbers of the decisions whose reservations are active.
"""

import json
from typing import Final, TypeVar

import psycopg
from alembic import op
from psycopg.rows import TupleRow

from enforcement.domain.canonical import canonical_text
from enforcement.store.migrations.parts import refuse_to_undo, run_parts

revision = "0003"
down_revision = "0002"

T = TypeVar("T")

_ROWS_AN_EVENT: Final = 500
_TABLES: Final = (
    "tenants",
    "principals",
    "policies",
    "budgets",
    "credit_grants",
    "credit_reservations",
    "approvals",
    "reconciliations",
    "cost_records",
    "rate_settings",
)
_READ_TOO: Final = ("ledger_heads", "ledger", "decisions", "project_usage")


def upgrade() -> None:
    """Run the parts, then adopt what is there; in a new database nothing is."""
    connection = op.get_bind().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)  # noqa: S101  # Alembic's types do not say
    # The owner sees all tenants for as long as this transaction lasts, and no longer.
    for table in (*_TABLES, *_READ_TOO):
        connection.execute(f"ALTER TABLE enforcement.{table} NO FORCE ROW LEVEL SECURITY")
    run_parts(revision)
    heads = connection.execute("SELECT tenant_id, sequence FROM enforcement.ledger_heads")
    for tenant_id, sequence in heads.fetchall():
        _adopt(connection, tenant_id, sequence)
    for table in ("policies", "reconciliations"):
        connection.execute(f"ALTER TABLE enforcement.{table} DISABLE TRIGGER {table}_immutable")
    for table in _TABLES:
        connection.execute(
            f"UPDATE enforcement.{table} t SET ledger_sequence = h.sequence"  # noqa: S608  # constants
            " FROM enforcement.ledger_heads h WHERE h.tenant_id = t.tenant_id"
        )
    for table in ("policies", "reconciliations"):
        connection.execute(f"ALTER TABLE enforcement.{table} ENABLE TRIGGER {table}_immutable")
    for table in (*_TABLES, *_READ_TOO):
        connection.execute(f"ALTER TABLE enforcement.{table} FORCE ROW LEVEL SECURITY")


def _adopt(connection: psycopg.Connection[TupleRow], tenant_id: object, sequence: int) -> None:
    rows = [
        {"kind": kind, "id": key, "state": json.loads(state)}
        for kind, key, state in connection.execute(
            # What a tenant has committed follows from its projects.
            "SELECT kind, id, state FROM enforcement.state WHERE tenant_id = %(tenant)s UNION ALL"
            " SELECT kind, id, state FROM enforcement.sums WHERE tenant_id = %(tenant)s"
            " AND kind <> 'tenant_usage'",
            {"tenant": tenant_id},
        )
    ]
    active = connection.execute(
        "SELECT ledger_sequence FROM enforcement.decisions"
        " WHERE tenant_id = %s AND reservation_active ORDER BY ledger_sequence",
        (tenant_id,),
    )
    rows.extend(
        {"kind": "open", "id": str(numbers[0]), "state": numbers}
        for numbers in _batches([number for (number,) in active])
    )
    parts = _batches(rows)
    for part in parts:
        connection.execute(
            "INSERT INTO enforcement.ledger (tenant_id, event, occurred_at, actor, payload)"
            " VALUES (%s, 'state.adopted', clock_timestamp(),"
            " '00000000-0000-0000-0000-000000000000', %s)",
            (tenant_id, canonical_text({"as_of": sequence + len(parts), "rows": part})),
        )


def _batches(items: list[T]) -> list[list[T]]:
    return [items[at : at + _ROWS_AN_EVENT] for at in range(0, len(items), _ROWS_AN_EVENT)]


downgrade = refuse_to_undo
