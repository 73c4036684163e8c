"""Names: tables, columns and states are called as the field calls them; row errors get a code and an employee.

Nothing is copied or dropped: what is there is renamed, states are rewritten. The downgrade leads back whole, except for
the codes and employees of row errors, which older releases read off the sentence (it stays).
"""

from alembic import op
from sqlalchemy import text

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = {
    "notices": "notifications",
    "event_runs": "function_runs",
    "event_keys": "event_idempotency_keys",
    "embedding_orders": "embedding_jobs",
    "cancelled_orders": "cancelled_embedding_jobs",
    "tallies": "counters",
    "used_signatures": "signature_nonces",
}
COLUMNS = (  # table (by its new name), column before, column after
    ("notifications", "notice_id", "notification_id"),
    ("notifications", "about", "mentioned_organizations"),
    ("notifications", "sender", "sender_lock"),
    ("notifications", "settled_at", "finished_at"),
    ("notifications", "values", "template_values"),
    ("function_runs", "arrival", "sequence"),
    ("function_runs", "subject", "ordering_key"),
    ("versions", "stored_in", "indexed_in_store"),
    ("versions", "awaited", "pending_positions"),
    ("versions", "swept_at", "collected_at"),
    ("versions", "forgotten_at", "purged_at"),
    ("versions", "waits_for", "waiting_reason"),
    ("versions", "economy", "deferred"),
    ("documents", "removed_at", "removal_requested_at"),
    ("embedding_jobs", "order_key", "job_key"),
    ("embedding_jobs", "look_at", "next_poll_at"),
    ("embedding_jobs", "looks", "poll_count"),
    ("embedding_jobs", "placed_at", "submitted_at"),
    ("embedding_jobs", "cleared_at", "purged_at"),
    ("cancelled_embedding_jobs", "order_key", "job_key"),
    ("cancelled_embedding_jobs", "look_at", "next_poll_at"),
    ("alerts", "told", "notification_count"),
    ("alerts", "told_at", "last_notified_at"),
)
# The others have a state in their condition and are made anew.
INDEXES = {
    "notices_due": "notifications_due",
    "notices_in_hand": "notifications_being_sent",
    "notices_listed": "notifications_listed",
    "event_runs_due": "function_runs_due",
    "event_keys_by_age": "event_idempotency_keys_by_age",
    "embedding_orders_of_document": "embedding_jobs_of_document",
    "embedding_orders_uncleared": "embedding_jobs_unpurged",
    "versions_that_wait": "versions_with_waiting_reason",
}
STATES = (  # table, state before, state after
    ("function_runs", "requesting", "submitting"),
    ("function_runs", "following", "attached"),
    ("embedding_jobs", "intended", "created"),
    ("embedding_jobs", "placed", "submitted"),
)

# What names a state. `{runs}` and so on are the tables' names, which are the words of either side.
CONDITIONS = """
ALTER TABLE {runs} ADD CONSTRAINT {runs}_state_check CHECK (state IN
      ('waiting', '{requesting}', 'requested', '{following}', 'completed', 'failed', 'cancelled'));
CREATE INDEX {runs_of_subject} ON {runs} (organization_id, {subject}, {arrival})
 WHERE state IN ('waiting', '{requesting}', 'requested');
CREATE INDEX {runs_under_way} ON {runs} (run_id) WHERE state IN ('{requesting}', 'requested', '{following}');
ALTER TABLE {orders} ALTER COLUMN state SET DEFAULT '{intended}';
ALTER TABLE {orders} ADD CONSTRAINT {orders}_state_check
      CHECK (state IN ('{intended}', '{placed}', 'ready', 'collected', 'refused', 'cancelled'));
CREATE INDEX {orders_open} ON {orders} ({look_at}) WHERE state = '{placed}';
"""
DROP_CONDITIONS = """
DROP INDEX {runs_of_subject}, {runs_under_way}, {orders_open};
ALTER TABLE {runs} DROP CONSTRAINT {runs}_state_check;
ALTER TABLE {orders} DROP CONSTRAINT {orders}_state_check;
"""

COUNTING = """
CREATE FUNCTION {prefix}_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {tallies} SELECT 'events', '', count(*) FROM news HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER {events_trigger} AFTER INSERT ON events REFERENCING NEW TABLE AS news
    FOR EACH STATEMENT EXECUTE FUNCTION {prefix}_events();

CREATE FUNCTION {prefix}_{runs}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {tallies}
    SELECT '{runs}', n.function || '|' || n.state, count(*) FROM news n JOIN olds o USING (run_id)
     WHERE n.state <> o.state AND n.state IN ('completed', 'failed', 'cancelled') GROUP BY 2;
    RETURN NULL;
END $$;
CREATE TRIGGER {runs_trigger} AFTER UPDATE ON {runs} REFERENCING OLD TABLE AS olds NEW TABLE AS news
    FOR EACH STATEMENT EXECUTE FUNCTION {prefix}_{runs}();

CREATE FUNCTION {prefix}_{notices}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {tallies}
    SELECT '{notices}', n.channel || '|' || n.state, count(*) FROM news n JOIN olds o USING ({notice_id})
     WHERE n.state <> o.state AND n.state IN ('sent', 'failed', 'unknown') GROUP BY 2;
    RETURN NULL;
END $$;
CREATE TRIGGER {notices_trigger} AFTER UPDATE ON {notices} REFERENCING OLD TABLE AS olds NEW TABLE AS news
    FOR EACH STATEMENT EXECUTE FUNCTION {prefix}_{notices}();

CREATE FUNCTION {prefix}_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {tallies}
    SELECT 'versions', n.status, count(*) FROM news n JOIN olds o USING (document_id, version)
     WHERE n.status <> o.status AND n.status IN ('completed', 'failed') GROUP BY n.status;
    INSERT INTO {tallies}
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
CREATE TRIGGER {versions_trigger} AFTER UPDATE ON versions REFERENCING OLD TABLE AS olds NEW TABLE AS news
    FOR EACH STATEMENT EXECUTE FUNCTION {prefix}_versions();

CREATE FUNCTION {prefix}_batches() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {tallies}
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
CREATE TRIGGER {batches_trigger} AFTER UPDATE ON batches REFERENCING OLD TABLE AS olds NEW TABLE AS news
    FOR EACH STATEMENT EXECUTE FUNCTION {prefix}_batches();
"""
BEFORE = {
    "runs": "event_runs",
    "notices": "notices",
    "orders": "embedding_orders",
    "tallies": "tallies",
    "requesting": "requesting",
    "following": "following",
    "intended": "intended",
    "placed": "placed",
    "subject": "subject",
    "arrival": "arrival",
    "look_at": "look_at",
    "notice_id": "notice_id",
    "runs_of_subject": "event_runs_of_subject",
    "runs_under_way": "event_runs_under_way",
    "orders_open": "embedding_orders_open",
    "prefix": "tally",
    **{f"{table}_trigger": "tally" for table in ("events", "runs", "notices", "versions", "batches")},
}
AFTER = {
    "runs": "function_runs",
    "notices": "notifications",
    "orders": "embedding_jobs",
    "tallies": "counters",
    "requesting": "submitting",
    "following": "attached",
    "intended": "created",
    "placed": "submitted",
    "subject": "ordering_key",
    "arrival": "sequence",
    "look_at": "next_poll_at",
    "notice_id": "notification_id",
    "runs_of_subject": "function_runs_by_ordering_key",
    "runs_under_way": "function_runs_under_way",
    "orders_open": "embedding_jobs_submitted",
    "prefix": "count",
    "events_trigger": "count_events",
    "runs_trigger": "count_function_runs",
    "notices_trigger": "count_notifications",
    "versions_trigger": "count_versions",
    "batches_trigger": "count_batches",
}

# The sentences of releases before this one, read for the last time. Which employee a row was for is the cell that, with
# its column's name, makes the sentence; a text with NUL cannot be taken apart as JSON, and falls back on the sentence.
ROW_ERRORS = """
ALTER TABLE lineage ADD COLUMN error_code text, ADD COLUMN employee_key text;
UPDATE lineage l
   SET error_code = CASE
       WHEN error = 'this row was erased on request' THEN 'erased'
       WHEN starts_with(error, 'not embedded: ') THEN 'embedding_refused'
       WHEN error = 'the embedding template finds no text in this row' THEN 'no_text'
       WHEN starts_with(error, 'the metadata fields of this row need ') THEN 'metadata_too_large'
       WHEN starts_with(error, 'the template names no employeeIdentifier') THEN 'employee_column_missing'
       WHEN error LIKE 'column % names no employee in this row' THEN 'employee_missing'
       WHEN error LIKE 'employee % (column %) is not in the employee list' THEN 'employee_unknown' END,
       employee_key = CASE
       WHEN namespace IS NOT NULL OR error NOT LIKE 'employee % (column %' THEN employee_id
       ELSE coalesce(
           CASE WHEN position('\\u0000' IN source_row::text) = 0 THEN
                (SELECT c.value FROM json_each_text(l.source_row) c
                  WHERE l.error = 'employee ' || c.value || ' (column ' || c.key || ') is not in the employee list'
                  LIMIT 1) END,
           substring(error FROM '^employee (.*?) [(]column ')) END
 WHERE error IS NOT NULL;
"""


def upgrade() -> None:
    _drop_counting(BEFORE)
    op.execute(DROP_CONDITIONS.format(**BEFORE))
    for old, new in TABLES.items():
        op.execute(f"ALTER TABLE {old} RENAME TO {new}")
        _rename_constraints(new, old, new)
    for table, old, new in COLUMNS:
        op.execute(f'ALTER TABLE {table} RENAME COLUMN "{old}" TO "{new}"')
        _rename_constraints(table, f"{table}_{old}_not_null", f"{table}_{new}_not_null")
    for old, new in INDEXES.items():
        op.execute(f"ALTER INDEX {old} RENAME TO {new}")
    op.execute("ALTER SEQUENCE event_runs_arrival_seq RENAME TO function_runs_sequence_seq")
    for table, old, new in STATES:
        op.execute(f"UPDATE {table} SET state = '{new}' WHERE state = '{old}'")  # noqa: S608 - names above
    op.execute("UPDATE counters SET name = 'function_runs' WHERE name = 'event_runs'")
    op.execute("UPDATE counters SET name = 'notifications' WHERE name = 'notices'")
    op.execute(CONDITIONS.format(**AFTER))
    op.execute(COUNTING.format(**AFTER))
    op.execute(ROW_ERRORS)


def downgrade() -> None:
    op.execute("ALTER TABLE lineage DROP COLUMN error_code, DROP COLUMN employee_key")
    _drop_counting(AFTER)
    op.execute(DROP_CONDITIONS.format(**AFTER))
    for table, old, new in STATES:
        op.execute(f"UPDATE {table} SET state = '{old}' WHERE state = '{new}'")  # noqa: S608
    op.execute("UPDATE counters SET name = 'event_runs' WHERE name = 'function_runs'")
    op.execute("UPDATE counters SET name = 'notices' WHERE name = 'notifications'")
    op.execute("ALTER SEQUENCE function_runs_sequence_seq RENAME TO event_runs_arrival_seq")
    for old, new in INDEXES.items():
        op.execute(f"ALTER INDEX {new} RENAME TO {old}")
    for table, old, new in reversed(COLUMNS):
        op.execute(f'ALTER TABLE {table} RENAME COLUMN "{new}" TO "{old}"')
        _rename_constraints(table, f"{table}_{new}_not_null", f"{table}_{old}_not_null")
    for old, new in reversed(TABLES.items()):
        op.execute(f"ALTER TABLE {new} RENAME TO {old}")
        _rename_constraints(old, new, old)
    op.execute(CONDITIONS.format(**BEFORE))
    op.execute(COUNTING.format(**BEFORE))


def _drop_counting(names: dict[str, str]) -> None:
    tables = {"events": "events", "versions": "versions", "batches": "batches"}
    for key, table in (tables | {"runs": names["runs"], "notices": names["notices"]}).items():
        op.execute(f"DROP TRIGGER {names[f'{key}_trigger']} ON {table}")
        op.execute(f"DROP FUNCTION {names['prefix']}_{table}()")


def _rename_constraints(table: str, old: str, new: str) -> None:
    """Constraints whose names begin with `old`; PostgreSQL 18 names those of NOT NULL too."""
    rows = op.get_bind().execute(
        text("SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(:table) AND starts_with(conname, :old)"),
        {"table": table, "old": old},
    )
    for (name,) in rows.fetchall():
        op.execute(f'ALTER TABLE {table} RENAME CONSTRAINT "{name}" TO "{new}{name[len(old) :]}"')
