"""A gate pays for grants and budgets only where its tenant has them."""

from enforcement.store.migrations.parts import refuse_to_undo, run_parts

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the parts."""
    run_parts(revision)


downgrade = refuse_to_undo
