"""Notices: the outbox of messages to people and apps, and the alerts that are open."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE notices (
    notice_id       text PRIMARY KEY,
    organization_id text NOT NULL,
    key             text NOT NULL,
    channel         text NOT NULL,
    recipient       text,
    subject         text NOT NULL,
    message         text NOT NULL,
    "values"        text,      -- JSON as it was given, ASCII-escaped
    about           text[] NOT NULL DEFAULT '{}',
    state           text NOT NULL DEFAULT 'waiting'
                    CHECK (state IN ('waiting', 'sending', 'sent', 'failed', 'unknown')),
    attempts        integer NOT NULL DEFAULT 0,
    sender          text,      -- who has it in hand: a lock of that name is held as long as they live
    error           text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    settled_at      timestamptz,
    UNIQUE (organization_id, key)
);
CREATE INDEX notices_due ON notices (channel, next_attempt_at) WHERE state = 'waiting';
CREATE INDEX notices_in_hand ON notices (channel, recipient) WHERE state = 'sending';
CREATE INDEX notices_listed ON notices (organization_id, notice_id DESC);

-- one open alert of a cause, however many look at once
CREATE TABLE alerts (
    alert_id      text PRIMARY KEY,
    cause         text NOT NULL,
    kind          text NOT NULL,
    reason        text NOT NULL,
    organizations text[] NOT NULL DEFAULT '{}',
    count         integer NOT NULL,
    told          integer NOT NULL DEFAULT 1,
    told_at       timestamptz NOT NULL,
    opened_at     timestamptz NOT NULL,
    recovered_at  timestamptz
);
CREATE UNIQUE INDEX alerts_open ON alerts (cause) WHERE recovered_at IS NULL;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)


def downgrade() -> None:
    op.execute("DROP TABLE notices, alerts")
