"""Stores: the ledger knows what it has stored, and keeps embeddings without pgvector."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = """
-- The store that has acknowledged every vector of the version; NULL again before the first of them is swept.
ALTER TABLE versions ADD COLUMN stored_in text;
UPDATE versions v SET stored_in = 'pgvector'
  FROM documents d WHERE d.document_id = v.document_id AND v.version = d.live_version;

CREATE INDEX document_namespaces_by_name ON document_namespaces (namespace);

-- 32-bit floats, big-endian, as `vector` sends them after four bytes of head.
DO $$
BEGIN
    IF (SELECT atttypid::regtype::text FROM pg_attribute
         WHERE attrelid = 'embeddings'::regclass AND attname = 'embedding') <> 'bytea' THEN
        ALTER TABLE embeddings ALTER COLUMN embedding TYPE bytea USING substring(vector_send(embedding) FROM 5);
        ALTER TABLE embeddings ALTER COLUMN embedding SET STORAGE MAIN;
    END IF;
END $$;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)


def downgrade() -> None:
    op.execute("DROP INDEX document_namespaces_by_name; ALTER TABLE versions DROP COLUMN stored_in")
