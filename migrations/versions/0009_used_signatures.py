"""Signatures that were honoured: a copy of a request that changes something is refused while its time is not up."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE used_signatures (
    digest     bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
"""


def upgrade() -> None:
    op.execute(STATEMENTS)


def downgrade() -> None:
    op.execute("DROP TABLE used_signatures")
