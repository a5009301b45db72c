"""Schema of the control plane, as Alembic revisions over plain SQL files."""
