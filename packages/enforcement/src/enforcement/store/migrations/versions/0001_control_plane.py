"""The control plane's tables, chain, gate, limits, parity and privileges."""

from importlib.resources import files

from alembic import op

revision = "0001"
down_revision = None

PARTS = ("tables", "ledger", "usage", "gate", "limits", "parity", "privileges")


def upgrade() -> None:
    """Run each part as it is written: no bind parameters, no percent signs to double."""
    folder = files("enforcement.store.migrations") / "sql" / revision
    connection = op.get_bind()
    for number, part in enumerate(PARTS, start=1):
        sql = (folder / f"{number:02d}_{part}.sql").read_text(encoding="utf-8")
        connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def downgrade() -> None:
    """Refuse: an append-only ledger has no way back.

    Raises:
        RuntimeError: Always.
    """
    raise RuntimeError("the first migration cannot be undone; drop the database instead")
