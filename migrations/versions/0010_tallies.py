"""Tallies: what has happened, counted for ever, also of what is removed later; and what is asked for by state.

Triggers add a line for each statement that changes something, so that nobody waits for anybody's counter; whoever reads
the tallies sums them up, and folds the lines now and then.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE tallies (
    name   text NOT NULL,
    label  text NOT NULL,
    amount bigint NOT NULL
);

CREATE FUNCTION tally_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tallies SELECT 'events', '', count(*) FROM news HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER tally AFTER INSERT ON events REFERENCING NEW TABLE AS news
    FOR EACH STATEMENT EXECUTE FUNCTION tally_events();

CREATE FUNCTION tally_event_runs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tallies
    SELECT 'event_runs', n.function || '|' || n.state, count(*) FROM news n JOIN olds o USING (run_id)
     WHERE n.state <> o.state AND n.state IN ('completed', 'failed', 'cancelled') GROUP BY 2;
    RETURN NULL;
END $$;
CREATE TRIGGER tally AFTER UPDATE ON event_runs REFERENCING OLD TABLE AS olds NEW TABLE AS news
    FOR EACH STATEMENT EXECUTE FUNCTION tally_event_runs();

CREATE FUNCTION tally_notices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tallies
    SELECT 'notices', n.channel || '|' || n.state, count(*) FROM news n JOIN olds o USING (notice_id)
     WHERE n.state <> o.state AND n.state IN ('sent', 'failed', 'unknown') GROUP BY 2;
    RETURN NULL;
END $$;
CREATE TRIGGER tally AFTER UPDATE ON notices REFERENCING OLD TABLE AS olds NEW TABLE AS news
    FOR EACH STATEMENT EXECUTE FUNCTION tally_notices();

CREATE FUNCTION tally_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tallies
    SELECT 'versions', n.status, count(*) FROM news n JOIN olds o USING (document_id, version)
     WHERE n.status <> o.status AND n.status IN ('completed', 'failed') GROUP BY n.status;
    INSERT INTO tallies
    SELECT counted.name, counted.label, sum(counted.amount)
      FROM news n JOIN olds o USING (document_id, version), LATERAL (VALUES
           ('rows', 'kept', (n.result->>'totalRows')::bigint - (n.result->>'unchangedRows')::bigint
                            - (n.result->>'duplicateRows')::bigint - (n.result->>'errorRows')::bigint),
           ('rows', 'unchanged', (n.result->>'unchangedRows')::bigint),
           ('rows', 'duplicate', (n.result->>'duplicateRows')::bigint),
           ('rows', 'error', (n.result->>'errorRows')::bigint),
           ('milliseconds', '', (n.result->>'processingTimeMs')::bigint)) AS counted (name, label, amount)
     WHERE n.status = 'completed' AND o.status <> 'completed' AND o.result IS NULL AND counted.amount > 0
     GROUP BY counted.name, counted.label;
    RETURN NULL;
END $$;
CREATE TRIGGER tally AFTER UPDATE ON versions REFERENCING OLD TABLE AS olds NEW TABLE AS news
    FOR EACH STATEMENT EXECUTE FUNCTION tally_versions();

CREATE FUNCTION tally_batches() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tallies
    SELECT counted.name, counted.label, sum(counted.amount)
      FROM news n JOIN olds o USING (document_id, version, batch_number)
      JOIN versions v USING (document_id, version), LATERAL (VALUES
           ('batches', n.status, (n.status <> o.status AND n.status IN ('completed', 'failed'))::int::bigint),
           ('inputs', v.model, n.embedded_inputs::bigint - o.embedded_inputs),
           ('tokens', v.model, n.tokens - o.tokens),
           ('economy_tokens', v.model, n.economy_tokens - o.economy_tokens)) AS counted (name, label, amount)
     WHERE counted.amount > 0 GROUP BY counted.name, counted.label;
    RETURN NULL;
END $$;
CREATE TRIGGER tally AFTER UPDATE ON batches REFERENCING OLD TABLE AS olds NEW TABLE AS news
    FOR EACH STATEMENT EXECUTE FUNCTION tally_batches();

-- most versions are completed: the others tell how many documents are not, and what waits
CREATE INDEX versions_not_completed ON versions (status, document_id, version) WHERE status <> 'completed';

-- what there was before anybody counted
INSERT INTO tallies
SELECT 'versions', status, count(*) FROM versions WHERE status IN ('completed', 'failed') GROUP BY status;
INSERT INTO tallies
SELECT name, model, sum(amount) FROM batches b JOIN versions v USING (document_id, version), LATERAL (VALUES
       ('inputs', b.embedded_inputs::bigint), ('tokens', b.tokens), ('economy_tokens', b.economy_tokens))
       AS counted (name, amount) WHERE amount > 0 GROUP BY name, model;
"""
COUNTED = ("events", "event_runs", "notices", "versions", "batches")


def upgrade() -> None:
    op.execute(STATEMENTS)


def downgrade() -> None:
    op.execute("DROP INDEX versions_not_completed")
    for table in COUNTED:
        op.execute(f"DROP TRIGGER tally ON {table}")
        op.execute(f"DROP FUNCTION tally_{table}")
    op.execute("DROP TABLE tallies")
