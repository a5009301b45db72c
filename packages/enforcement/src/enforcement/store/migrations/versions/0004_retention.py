"""Settled history can be kept elsewhere: archived, anchored in the chain, and pruned."""

from enforcement.store.migrations.parts import refuse_to_undo, run_parts

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the parts."""
    run_parts(revision)


downgrade = refuse_to_undo
