"""Forgotten: old versions that are on their way out, from before the first of their files is deleted."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE versions ADD COLUMN forgotten_at timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE versions DROP COLUMN forgotten_at")
