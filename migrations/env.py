"""Alembic's entry: run by `resources.database.upgrade`, which passes the address."""

import sqlalchemy
from alembic import context

engine = sqlalchemy.create_engine(context.config.attributes["url"], poolclass=sqlalchemy.pool.NullPool)
with engine.connect() as connection:
    # Dagster keeps its own alembic_version in the same database
    context.configure(connection=connection, version_table="rowline_migrations", transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
