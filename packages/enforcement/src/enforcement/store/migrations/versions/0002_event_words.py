"""Words for events that the ledger did not know."""

from enforcement.store.migrations.parts import refuse_to_undo, run_parts

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the parts."""
    run_parts(revision)


downgrade = refuse_to_undo
