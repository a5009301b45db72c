"""The control plane's tables, chain, gate, limits, parity and privileges."""

from enforcement.store.migrations.parts import refuse_to_undo, run_parts

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the parts."""
    run_parts(revision)


downgrade = refuse_to_undo
