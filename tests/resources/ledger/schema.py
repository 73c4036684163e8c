"""A schema as text, and a database filled as an older release left it."""

from __future__ import annotations

import psycopg
from alembic import command

from resources.database.schema import migrating

# Everything of ours in the schema `public` by name and definition; what Alembic keeps for itself is left out.
CATALOGUE = """
SELECT 'column', c.relname || '.' || a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull,
       a.attidentity, a.attstorage, pg_get_expr(d.adbin, d.adrelid)), a.attnum
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'rowline_migrations'
UNION ALL
SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid), 0 FROM pg_constraint
 WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND conname NOT LIKE 'rowline_migrations%'
UNION ALL
SELECT 'index', indexname, indexdef, 0 FROM pg_indexes
 WHERE schemaname = 'public' AND tablename <> 'rowline_migrations'
UNION ALL
SELECT 'sequence', s.seqrelid::regclass::text, concat_ws(' ', s.seqtypid::regtype, s.seqstart, s.seqincrement,
       pg_get_serial_sequence(d.refobjid::regclass::text, a.attname)), 0
  FROM pg_sequence s JOIN pg_depend d ON d.objid = s.seqrelid AND d.deptype = 'i'
  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
UNION ALL
SELECT 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid), 0 FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid), 0 FROM pg_proc p
  LEFT JOIN pg_depend e ON e.objid = p.oid AND e.deptype = 'e'
 WHERE p.pronamespace = 'public'::regnamespace AND e.objid IS NULL
"""


def schema_of(url: str) -> list[str]:
    """Columns, constraints, indexes, sequences, triggers and functions, one a line, sorted."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(CATALOGUE).fetchall()
    places: dict[str, int] = {}  # a column that was dropped leaves a gap in the numbers: only the order counts
    lines = []
    for kind, name, definition, place in sorted(rows, key=lambda row: (row[0], row[1].split(".")[0], row[3], row[1])):
        table = name.split(".")[0]
        places[table] = places.get(table, 0) + 1 if place else 0
        lines.append(f"{kind} {places[table] or ''} {name}: {definition}")
    return sorted(lines)


def upgrade_to(url: str, revision: str) -> None:
    with migrating(url) as config:
        command.upgrade(config, revision)


def downgrade_to(url: str, revision: str) -> None:
    with migrating(url) as config:
        command.downgrade(config, revision)


# Rows as the release with this migration left them: every table, every state that a later migration rewrites.
FILLED = {
    "0001": """
INSERT INTO templates VALUES ('acme', 't', '{}');
INSERT INTO employees VALUES ('acme', 'E1', 'Kim', 'emp_1');
INSERT INTO documents VALUES ('d1', 'acme', 1, 2), ('d2', 'acme', NULL, 1);
INSERT INTO versions (document_id, version, filename, object_key, byte_size, sha256, mode, template, model, dimension,
                      status, result, swept_at) VALUES
 ('d1', 1, 'a.csv', 'k1', 1, '', 'employee_split', '{}', 'm', 2, 'completed', '{"totalRows": 3}', NULL),
 ('d1', 2, 'a.csv', 'k2', 1, '', 'employee_split', '{}', 'm', 2, 'processing', NULL, NULL),
 ('d2', 1, 'b.csv', 'k3', 1, '', 'company_wide', '{}', 'm', 2, 'failed', NULL, now());
INSERT INTO batches (document_id, version, batch_number, total_batches, start_row, end_row, rows, planned_inputs,
                     status, embedded_inputs, tokens) VALUES ('d1', 1, 1, 1, 2, 4, 3, 1, 'completed', 1, 7);
INSERT INTO document_namespaces VALUES ('d1', 1, 'emp_1', 'E1', '{00000000-0000-0000-0000-000000000001}', 1);
INSERT INTO embeddings (organization_id, model, text_hash, embedding, run_id) VALUES
 ('acme', 'm', 'h', '\\x3f80000000000000', 'r');
INSERT INTO lineage (document_id, version, row_position, sheet, row_number, batch_number, organization_id, employee_id,
                     namespace, outcome, error, needs_embedding, vector_id, row_key, content, source_row, run_id)
SELECT 'd1', 1, place, 's', place + 2, 1, 'acme', employee, namespace,
       CASE WHEN error IS NULL THEN 'kept' ELSE 'error' END, error, false, NULL, '', '', cells::json, 'r'
  FROM (VALUES
 (0, 'E1', 'emp_1', NULL, '{"no": "E1"}'),
 (1, NULL, NULL, 'employee E9 (column no) is not in the employee list', '{"no": "E9", "task": "weld"}'),
 (2, NULL, NULL, 'employee E9 (column no (column no) is not in the employee list', '{"no": "E9 (column no"}'),
 (3, NULL, NULL, 'employee E9 (column no) is not in the employee list', '{"no": "E9", "note": "\\u0000"}'),
 (4, NULL, NULL, 'column no names no employee in this row', '{"no": ""}'),
 (5, 'E1', 'emp_1', 'the embedding template finds no text in this row', '{"no": "E1"}'),
 (6, 'E1', 'emp_1', 'not embedded: the text is too long', '{"no": "E1"}'),
 (7, NULL, NULL, 'this row was erased on request', '{}'),
 (8, 'E1', 'emp_1', 'the metadata fields of this row need 40,000 bytes, 39,000 are allowed', '{"no": "E1"}'),
 (9, NULL, NULL, 'the template names no employeeIdentifier, which employee_split needs', '{"no": "E1"}'),
 (10, NULL, NULL, 'a sentence of a release that nobody knows', '{"no": "E1"}')
  ) AS rows (place, employee, namespace, error, cells);
""",
    "0003": """
UPDATE versions SET waits_for = 'an order', economy = true WHERE document_id = 'd1' AND version = 2;
INSERT INTO embedding_orders (order_key, document_id, version, first_row, last_row, inputs, state, looks, placed_at)
SELECT 'd1:2:' || state, 'd1', 2, 0, 9, 10, state, 3, now()
  FROM unnest('{intended,placed,ready,collected,refused}'::text[]) AS state;
""",
    "0004": """
UPDATE documents SET removed_at = now() WHERE document_id = 'd2';
UPDATE versions SET awaited = '{"emp_1": 5}' WHERE document_id = 'd1' AND version = 1;
""",
    "0006": """
INSERT INTO keys (key_id, organization_id, label, roles, digest) VALUES ('k', 'acme', 'l', '{admin}', 'd');
INSERT INTO sessions VALUES ('s', 'k', now());
""",
    "0007": """
INSERT INTO events (organization_id, event_id, name, content) VALUES ('acme', 'e1', 'document/process', '{}');
INSERT INTO event_keys (organization_id, digest, event_id) VALUES ('acme', 'd', 'e1');
INSERT INTO event_runs (run_id, organization_id, event_id, function, subject, state)
SELECT 'r_' || state, 'acme', 'e1', 'f_' || state, 'policy', state
  FROM unnest('{waiting,requesting,requested,following,completed,failed,cancelled}'::text[]) AS state;
""",
    "0008": """
INSERT INTO notices (notice_id, organization_id, key, channel, subject, message, "values", about, state, sender,
                     settled_at)
SELECT 'ntc_' || state, 'acme', state, 'slack', 's', 'm', '{"a": 1}', '{globex}', state, 'somebody', now()
  FROM unnest('{waiting,sending,sent,failed,unknown}'::text[]) AS state;
INSERT INTO alerts (alert_id, cause, kind, reason, count, told, told_at, opened_at)
VALUES ('a', 'c', 'document_failed', 'r', 3, 2, now(), now());
""",
    "0009": "INSERT INTO used_signatures VALUES ('d', now());",
    "0010": """
UPDATE event_runs SET state = 'failed' WHERE state = 'waiting';
UPDATE notices SET state = 'sent' WHERE state = 'waiting';
UPDATE batches SET tokens = 9;
""",
    "0011": "UPDATE versions SET forgotten_at = now() WHERE document_id = 'd2';",
    "0012": """
INSERT INTO cancelled_orders (order_key, created_at, look_at) VALUES ('d0:1:1', now(), now());
UPDATE embedding_orders SET cleared_at = now(), state = 'cancelled' WHERE state = 'refused';
""",
    "0014": """
INSERT INTO function_runs (run_id, organization_id, event_id, function, ordering_key, state)
VALUES ('r_new', 'acme', 'e1', 'f_new', 'policy', 'attached');
UPDATE function_runs SET state = 'completed' WHERE run_id = 'r_new';
UPDATE notifications SET state = 'failed' WHERE state = 'sending';
""",
}


def fill(url: str, revision: str) -> None:
    """Add what a release with this newest migration may have written."""
    if statements := FILLED.get(revision):
        with psycopg.connect(url) as connection:
            connection.execute(statements)  # type: ignore[arg-type]
