"""Alembic's entry: runs the migrations over the connection that ``migrate`` made, as the owner."""

from alembic import context

from enforcement.store.settings import OWNER_ROLE, SCHEMA

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
)
with context.begin_transaction():
    context.run_migrations()
