"""The pgvector body of the vector store; a branch beside the ledger's, applied where VECTOR_STORE=pgvector."""

from alembic import op

revision = "p001"
down_revision = None
branch_labels = ("pgvector",)
depends_on = None

# IF NOT EXISTS: the first release made them with the ledger's own tables
STATEMENTS = """
CREATE EXTENSION IF NOT EXISTS vector;

-- Derived: always re-makeable from lineage and embeddings.
CREATE TABLE IF NOT EXISTS vectors (
    model     text NOT NULL,
    namespace text NOT NULL,
    vector_id uuid NOT NULL,
    embedding halfvec NOT NULL,
    metadata  jsonb NOT NULL,
    PRIMARY KEY (model, namespace, vector_id)
);
ALTER TABLE vectors ALTER COLUMN embedding SET STORAGE MAIN; -- in the row while it fits: no second look-up
"""


def upgrade() -> None:
    op.execute(STATEMENTS)


def downgrade() -> None:
    op.execute("DROP TABLE vectors")
