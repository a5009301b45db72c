"""Alembic's entry: runs the migrations over the connection that ``migrate`` made, as the owner."""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

from enforcement.store.migrate import statements_of
from enforcement.store.settings import OWNER_ROLE, SCHEMA


def sign(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Write down which statements made the schema, in the transaction that ran them."""
    del ctx, heads, run_args
    statements = statements_of(str(step.up_revision_id))
    connection.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS '{statements}'")


connection = context.config.attributes["connection"]
# For the session, since each migration is a transaction of its own: what one adds to an
# enumeration can be used by the next.
connection.exec_driver_sql(f"SET ROLE {OWNER_ROLE}")
connection.commit()
context.configure(
    connection=connection,
    version_table="alembic_version",
    version_table_schema=SCHEMA,
    transaction_per_migration=True,
    on_version_apply=sign,
)
with context.begin_transaction():
    context.run_migrations()
