"""Versions: a document may be on its way back to an older one, or on its way out."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # the version that is to be live next: its vectors are owed to the store from now on
    op.execute("ALTER TABLE documents ADD COLUMN target_version integer")
    # set before the first of its vectors is deleted: nothing of it is owed to the store any more
    op.execute("ALTER TABLE documents ADD COLUMN removed_at timestamptz")
    # namespace → position in the store's log that searches have not reached yet; NULL when they see all
    op.execute("ALTER TABLE versions ADD COLUMN awaited jsonb")
    # whether anybody still needs a kept embedding
    op.execute("CREATE INDEX lineage_of_text ON lineage (text_hash)")


def downgrade() -> None:
    op.execute("DROP INDEX lineage_of_text; ALTER TABLE versions DROP COLUMN awaited")
    op.execute("ALTER TABLE documents DROP COLUMN target_version, DROP COLUMN removed_at")
