"""Alembic's entry: runs the migrations over the connection that ``migrate`` made, as the owner."""

from alembic import context

from enforcement.store.settings import OWNER_ROLE, SCHEMA

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table="alembic_version",
    version_table_schema=SCHEMA,
)
with context.begin_transaction():
    connection.exec_driver_sql(f"SET LOCAL ROLE {OWNER_ROLE}")
    context.run_migrations()
