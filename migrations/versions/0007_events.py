"""Events, what each of them started, and the names that apps have for documents."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = """
-- Names and contents are JSON's ASCII spelling: PostgreSQL takes neither NUL nor half of a surrogate pair.
CREATE TABLE events (
    organization_id text NOT NULL,
    event_id        text NOT NULL,
    name            text NOT NULL,
    content         text NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, event_id)
);
CREATE INDEX events_by_age ON events (received_at);

-- Ids that senders gave, as digests: each is honoured once in 24 hours.
CREATE TABLE event_keys (
    organization_id text NOT NULL,
    digest          bytea NOT NULL,
    event_id        text NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, digest)
);
CREATE INDEX event_keys_by_age ON event_keys (received_at);

-- One function that one event started. What is about the same subject is done in the order of arrival.
CREATE TABLE event_runs (
    run_id           text PRIMARY KEY,
    arrival          bigint GENERATED ALWAYS AS IDENTITY,
    organization_id  text NOT NULL,
    event_id         text NOT NULL,
    function         text NOT NULL,
    subject          text,
    state            text NOT NULL DEFAULT 'waiting' CHECK (state IN
                     ('waiting', 'requesting', 'requested', 'following', 'completed', 'failed', 'cancelled')),
    attempts         integer NOT NULL DEFAULT 0,
    due_at           timestamptz NOT NULL DEFAULT now(),
    document_id      text,
    version          integer,
    dagster_run_id   text,
    cancel_requested boolean NOT NULL DEFAULT false,
    output           text,
    error            text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,
    ended_at         timestamptz,
    UNIQUE (organization_id, event_id, function),
    FOREIGN KEY (organization_id, event_id) REFERENCES events ON DELETE CASCADE
);
CREATE INDEX event_runs_due ON event_runs (function, due_at, arrival) WHERE state = 'waiting';
CREATE INDEX event_runs_of_subject ON event_runs (organization_id, subject, arrival)
 WHERE state IN ('waiting', 'requesting', 'requested');
CREATE INDEX event_runs_under_way ON event_runs (run_id) WHERE state IN ('requesting', 'requested', 'following');

-- what an app calls a document; free again once the document is on its way out
ALTER TABLE documents ADD COLUMN external_id text;
CREATE UNIQUE INDEX documents_of_app ON documents (organization_id, external_id) WHERE removed_at IS NULL;
"""


def upgrade() -> None:
    op.execute(STATEMENTS)


def downgrade() -> None:
    op.execute("DROP TABLE event_runs, event_keys, events")
    op.execute("DROP INDEX documents_of_app; ALTER TABLE documents DROP COLUMN external_id")
