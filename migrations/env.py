"""Alembic's entry: run by `resources.database.schema`, which passes a connection in a transaction that it ends."""

from alembic import context

# Dagster keeps its own alembic_version in the same database
context.configure(connection=context.config.attributes["connection"], version_table="rowline_migrations")
with context.begin_transaction():
    context.run_migrations()
