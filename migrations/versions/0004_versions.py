"""Versions: a document may be on its way back to an older one."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # the version that is to be live next: its vectors are owed to the store from now on
    op.execute("ALTER TABLE documents ADD COLUMN target_version integer")


def downgrade() -> None:
    op.execute("ALTER TABLE documents DROP COLUMN target_version")
