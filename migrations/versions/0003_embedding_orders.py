"""Embedding orders: texts that an embedding service works on in its own time, at a lower price."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE versions ADD COLUMN economy boolean NOT NULL DEFAULT false; -- may wait a day for a lower price
ALTER TABLE versions ADD COLUMN waits_for text;                         -- what, for a person; only while it waits
CREATE INDEX versions_that_wait ON versions (document_id) WHERE waits_for IS NOT NULL;
ALTER TABLE batches ADD COLUMN planned_bytes bigint NOT NULL DEFAULT 0; -- UTF-8 of the texts to be embedded
ALTER TABLE batches ADD COLUMN economy_tokens bigint NOT NULL DEFAULT 0; -- of `tokens`, those at the lower price

-- One file of texts handed to the service. The record comes first: a crash after it never orders twice.
CREATE TABLE embedding_orders (
    order_key       text PRIMARY KEY,
    document_id     text NOT NULL,
    version         integer NOT NULL,
    first_row       integer NOT NULL, -- positions of the rows whose texts it holds
    last_row        integer NOT NULL,
    inputs          integer NOT NULL,
    state           text NOT NULL DEFAULT 'intended'
                    CHECK (state IN ('intended', 'placed', 'ready', 'collected', 'refused')),
    service_id      text,
    looks           integer NOT NULL DEFAULT 0,
    look_at         timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    placed_at       timestamptz,
    ended_at        timestamptz,
    FOREIGN KEY (document_id, version) REFERENCES versions ON DELETE CASCADE
);
CREATE INDEX embedding_orders_of_document ON embedding_orders (document_id);
CREATE INDEX embedding_orders_open ON embedding_orders (look_at) WHERE state = 'placed';
"""


def upgrade() -> None:
    op.execute(STATEMENTS)


def downgrade() -> None:
    op.execute(
        "DROP TABLE embedding_orders; ALTER TABLE batches DROP COLUMN economy_tokens, DROP COLUMN planned_bytes; "
        "ALTER TABLE versions DROP COLUMN waits_for, DROP COLUMN economy"
    )
