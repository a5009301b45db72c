"""Migrations are SQL files: the parts of a revision, in the order of their names."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from alembic import op


def parts_of(revision: str) -> list[Traversable]:
    """Return the SQL files of a revision in the order in which they run."""
    folder = files("enforcement.store.migrations") / "sql" / revision
    return sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )


def run_parts(revision: str) -> None:
    """Run each part as it is written: no bind parameters, no percent signs to double."""
    connection = op.get_bind()
    for part in parts_of(revision):
        connection.exec_driver_sql(
            part.read_text(encoding="utf-8"), execution_options={"no_parameters": True}
        )


def refuse_to_undo() -> None:
    """Refuse: an append-only ledger has no way back.

    Raises:
        RuntimeError: Always.
    """
    raise RuntimeError("migrations cannot be undone; restore a backup instead")
