"""A gate pays only for what it needs: for grants where there are some, and for no trigger."""

from enforcement.store.migrations.parts import refuse_to_undo, run_parts

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the parts."""
    run_parts(revision)


downgrade = refuse_to_undo
