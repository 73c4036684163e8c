"""Plans: every row of a version written as lineage, compared with what is stored, and cut into batches."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from domain.documents.batching import PlannedBatch
from domain.documents.costs import estimated_tokens
from domain.documents.rows import Row
from resources.database.binary_copy import HEAD, TAIL, copy_rows
from resources.database.connections import Connection, Database
from resources.database.locks import LockKind, lock_shared
from resources.ledger.documents.versions import Version

STAGED = """
CREATE TEMP TABLE staged (
    row_position integer, sheet text, row_number integer, batch_number integer, employee_id text, namespace text,
    error text, vector_id uuid, content_hash bytea, text_hash bytea, row_key bytea, content text, source_row json,
    error_code text, employee_key text
) ON COMMIT DROP
"""

# A copy of an earlier row of the file, or of a live row of another document in the namespace, is a duplicate;
# if the template keeps duplicates apart, each copy gets a vector id of its own.
ADDRESSED = """
CREATE TEMP TABLE addressed ON COMMIT DROP AS
SELECT s.*, row_number() OVER (PARTITION BY vector_id ORDER BY row_position) AS nth
  FROM (SELECT row_position, CASE WHEN %(skip)s OR vector_id IS NULL THEN vector_id
               ELSE md5(vector_id::text || %(document)s
                        || row_number() OVER (PARTITION BY vector_id ORDER BY row_position))::uuid END AS vector_id
          FROM staged) s
"""

# Tables of their own, analysed: the planner takes a version that was just loaded for two rows, and joining it in
# place would compare every row with every row.
BASE = """
CREATE TEMP TABLE base ON COMMIT DROP AS
SELECT DISTINCT vector_id FROM lineage
 WHERE document_id = %(document)s AND version = %(base)s AND vector_id IS NOT NULL
"""

ELSEWHERE = """
CREATE TEMP TABLE elsewhere ON COMMIT DROP AS
SELECT DISTINCT a.vector_id
  FROM addressed a
 CROSS JOIN LATERAL (SELECT document_id, version FROM lineage WHERE vector_id = a.vector_id OFFSET 0) l
  JOIN documents d ON d.document_id = l.document_id AND d.live_version = l.version
 WHERE a.nth = 1 AND l.document_id <> %(document)s
"""

# OFFSET 0 keeps the look-up by key: while embeddings are many and young, the planner takes them for two, and would read
# all of the organization's for each row. Of 150,000 rows that are known, it makes 0.2 s of join 0.8 s of looking up.
LINEAGE = """
INSERT INTO lineage (document_id, version, row_position, sheet, row_number, batch_number, organization_id, employee_id,
                     namespace, outcome, error, needs_embedding, vector_id, content_hash, text_hash, row_key, content,
                     source_row, run_id, error_code, employee_key)
SELECT %(document)s, %(version)s, s.row_position, s.sheet, s.row_number, s.batch_number, %(organization)s,
       s.employee_id, s.namespace,
       CASE WHEN s.error IS NOT NULL THEN 'error'
            WHEN a.nth > 1 THEN 'duplicate'
            WHEN base.vector_id IS NOT NULL THEN 'unchanged'
            WHEN elsewhere.vector_id IS NOT NULL THEN 'duplicate'
            ELSE 'kept' END,
       s.error, coalesce(first_text.row_position = s.row_position, false), a.vector_id, s.content_hash, s.text_hash,
       s.row_key, s.content, s.source_row, %(run)s, s.error_code, s.employee_key
  FROM staged s
  JOIN addressed a USING (row_position)
  LEFT JOIN base ON base.vector_id = a.vector_id
  LEFT JOIN elsewhere ON elsewhere.vector_id = a.vector_id
  LEFT JOIN (SELECT min(t.row_position) AS row_position FROM staged t
              WHERE t.error IS NULL AND NOT EXISTS (
                    SELECT 1 FROM embeddings e WHERE e.organization_id = %(organization)s AND e.model = %(model)s
                                                 AND e.text_hash = t.text_hash OFFSET 0)
              GROUP BY t.text_hash) first_text
    ON first_text.row_position = s.row_position
 ORDER BY s.row_position
"""

BATCHES = """
INSERT INTO batches (document_id, version, batch_number, total_batches, start_row, end_row, rows, planned_inputs,
                     planned_bytes)
SELECT document_id, version, batch_number, max(batch_number) OVER (), min(row_number), max(row_number), count(*),
       count(*) FILTER (WHERE needs_embedding),
       coalesce(sum(octet_length(content)) FILTER (WHERE needs_embedding), 0)
  FROM lineage WHERE document_id = %(document)s AND version = %(version)s
 GROUP BY document_id, version, batch_number
"""

# joins and NOT EXISTS, never IN over rows: that is quadratic as soon as it does not fit into work_mem
FACTS = """
WITH before AS (
    SELECT DISTINCT row_key FROM lineage WHERE document_id = %(document)s AND version = %(base)s)
SELECT count(*) AS total_rows,
       count(*) FILTER (WHERE outcome = 'kept') AS kept_rows,
       count(*) FILTER (WHERE outcome = 'unchanged') AS unchanged_rows,
       count(*) FILTER (WHERE outcome = 'duplicate') AS duplicate_rows,
       count(*) FILTER (WHERE outcome = 'error') AS error_rows,
       count(*) FILTER (WHERE outcome = 'kept' AND before.row_key IS NOT NULL) AS changed_rows,
       (SELECT count(*) FROM lineage old WHERE old.document_id = %(document)s AND old.version = %(base)s
           AND NOT EXISTS (SELECT 1 FROM lineage l WHERE l.document_id = %(document)s
                              AND l.version = %(version)s AND l.row_key = old.row_key)) AS gone_rows,
       count(*) FILTER (WHERE needs_embedding) AS inputs,
       coalesce(sum(octet_length(content)) FILTER (WHERE needs_embedding), 0) AS input_bytes,
       count(DISTINCT namespace) AS namespaces,
       coalesce(max(batch_number), 0) AS batches
  FROM lineage LEFT JOIN before USING (row_key)
 WHERE document_id = %(document)s AND version = %(version)s
"""


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What a plan will do, before anything is paid for. `input_bytes` is UTF-8."""

    total_rows: int
    kept_rows: int
    unchanged_rows: int
    duplicate_rows: int
    error_rows: int
    changed_rows: int
    gone_rows: int
    inputs: int
    input_bytes: int
    namespaces: int
    batches: int


class Plans:
    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, version: Version, rows: Iterable[list[Row]], plan_key: str, run_id: str) -> None:
        """Replace the version's plan by one made from `rows`, in one transaction.

        A plan that was made from the same rows (`plan_key`) stays, with all its finished batches; so does one
        whose vectors may be in the store already: if it were replaced, nothing would account for them any more.
        """
        planned = version.state.plan_key is not None
        if planned and (version.state.plan_key == plan_key or self._reached_store(version)):
            return
        params = {
            "document": version.document_id,
            "version": version.version,
            "base": version.state.base_version,
            "organization": version.organization_id,
            "model": version.model,
            "skip": version.template.rag_config.skip_duplicates,
            "run": run_id,
        }
        with self._database.transaction() as connection:
            # an embedding that is stored already must not be deleted before this plan says that it needs it
            lock_shared(connection, LockKind.EMBEDDINGS, version.organization_id)
            if planned:  # a plan is written whole or not at all
                _delete_plan(connection, params)
            _write_lineage(connection, rows, params)
            connection.execute(BATCHES, params)
            connection.execute(
                "UPDATE versions SET plan_key = %(key)s WHERE document_id = %(document)s AND version = %(version)s",
                params | {"key": plan_key},
            )

    def _reached_store(self, version: Version) -> bool:
        with self._database.statement() as connection:
            row = connection.execute(
                "SELECT EXISTS (SELECT 1 FROM document_namespaces WHERE document_id = %s AND version = %s) AS reached",
                (version.document_id, version.version),
            ).fetchone()
        return version.status == "completed" or bool(row and row["reached"])

    def facts(self, version: Version) -> PlanFacts:
        with self._database.transaction() as connection:
            connection.execute("SET LOCAL enable_nestloop = off")  # two versions just loaded, joined row by row
            row = connection.execute(
                FACTS,
                {"document": version.document_id, "version": version.version, "base": version.state.base_version},
            ).fetchone()
        assert row is not None  # an aggregate always returns a row
        return PlanFacts(**row)

    def unfinished(self, version: Version) -> list[PlannedBatch]:
        """Batches that are still to be embedded, in order."""
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT batch_number, planned_inputs, planned_bytes FROM batches WHERE document_id = %s "
                "AND version = %s AND status <> 'completed' ORDER BY batch_number",
                (version.document_id, version.version),
            ).fetchall()
        return [
            PlannedBatch(row["batch_number"], row["planned_inputs"], estimated_tokens(row["planned_bytes"]))
            for row in rows
        ]

    def start(self, version: Version, batch_numbers: list[int]) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE batches SET status = 'processing', started_at = now() "
                "WHERE document_id = %s AND version = %s AND batch_number = ANY(%s)",
                (version.document_id, version.version, batch_numbers),
            )


def _delete_plan(connection: Connection, params: dict[str, Any]) -> None:
    for table in ("batches", "lineage", "document_namespaces"):
        connection.execute(
            sql.SQL("DELETE FROM {} WHERE document_id = %(document)s AND version = %(version)s").format(
                sql.Identifier(table)
            ),
            params,
        )


def _write_lineage(connection: Connection, rows: Iterable[list[Row]], params: dict[str, Any]) -> None:
    """Stage the rows, give them their vector ids, and write what becomes of each."""
    connection.execute(STAGED)
    _copy(connection, rows)
    connection.execute("ANALYZE staged (row_position, vector_id, text_hash)")
    connection.execute(ADDRESSED, params)
    connection.execute("ANALYZE addressed")
    connection.execute(BASE, params)
    connection.execute("ANALYZE base")
    connection.execute(ELSEWHERE, params)
    connection.execute("ANALYZE elsewhere")
    connection.execute(LINEAGE, params)


def _copy(connection: Connection, parts: Iterable[list[Row]]) -> None:
    with connection.cursor() as cursor, cursor.copy("COPY staged FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(HEAD)
        for part in parts:
            copy.write(copy_rows(map(_values, part)))
        copy.write(TAIL)


def _values(row: Row) -> tuple[bytes | None, ...]:
    """A row as the binary values of `staged`."""
    return (
        row.position.to_bytes(4, "big"),
        row.sheet.encode(),
        row.row_number.to_bytes(4, "big"),
        row.batch_number.to_bytes(4, "big"),
        row.employee_id.encode() if row.employee_id is not None else None,
        row.namespace.encode() if row.namespace is not None else None,
        row.error.encode() if row.error is not None else None,
        row.vector_id.bytes if row.vector_id is not None else None,
        row.content_hash,
        row.text_hash,
        row.row_key,
        row.content.encode(),
        row.source_row,
        row.error_code.encode() if row.error_code is not None else None,
        row.employee_key.encode() if row.employee_key is not None else None,
    )
