"""Cancelled orders: what an embedding service keeps of an order is deleted there, also after the document is gone."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE embedding_orders DROP CONSTRAINT embedding_orders_state_check;
ALTER TABLE embedding_orders ADD CONSTRAINT embedding_orders_state_check
      CHECK (state IN ('intended', 'placed', 'ready', 'collected', 'refused', 'cancelled'));
-- since when nothing of it is at the service, or `cancelled_orders` watches over what is
ALTER TABLE embedding_orders ADD COLUMN cleared_at timestamptz;
CREATE INDEX embedding_orders_uncleared ON embedding_orders (look_at) WHERE cleared_at IS NULL;

-- The service ends an order minutes after it was cancelled; what it had done by then becomes a file that is to go.
CREATE TABLE cancelled_orders (
    order_key    text PRIMARY KEY,
    service_id   text,
    created_at   timestamptz NOT NULL,
    cancelled_at timestamptz NOT NULL DEFAULT now(),
    look_at      timestamptz NOT NULL
);
"""


def upgrade() -> None:
    op.execute(STATEMENTS)


def downgrade() -> None:
    op.execute(
        "DROP TABLE cancelled_orders; ALTER TABLE embedding_orders DROP COLUMN cleared_at; "
        "UPDATE embedding_orders SET state = 'refused' WHERE state = 'cancelled'; "
        "ALTER TABLE embedding_orders DROP CONSTRAINT embedding_orders_state_check; "
        "ALTER TABLE embedding_orders ADD CONSTRAINT embedding_orders_state_check "
        "CHECK (state IN ('intended', 'placed', 'ready', 'collected', 'refused'))"
    )
