"""Names: the newest document of a file name is found among very many."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # hash: names are only ever compared whole, and may be longer than a btree takes
    op.execute("CREATE INDEX versions_of_name ON versions USING hash (filename)")


def downgrade() -> None:
    op.execute("DROP INDEX versions_of_name")
