"""Alembic migrations of the ledger; applied by themselves at start (resources/database/schema.py)."""
