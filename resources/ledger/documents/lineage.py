"""Lineage: which row of which version points at which vector, and what searches and traces read of it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from domain.documents.row_errors import RowErrorCode
from resources.database.connections import Database
from resources.ledger.documents.documents import MAX_LISTED_ERRORS
from resources.ledger.documents.garbage_collection import RETAINED
from resources.ledger.documents.versions import Version

# Returns the first error rows of a version, or those of them that have a code.
ERRORS = f"""
SELECT sheet, row_number AS "rowNumber", error AS message FROM lineage
 WHERE document_id = %(document)s AND version = %(version)s AND outcome = 'error'
   AND (%(code)s::text IS NULL OR error_code = %(code)s) ORDER BY row_position LIMIT {MAX_LISTED_ERRORS}
"""  # noqa: S608 - constants of our own

# Returns vectors of a version that the store may lack. Only retained versions count: what another one stored may have
# been deleted since. OFFSET 0 fences the look-up by key, as the planner takes a version just loaded for two rows.
UNSTORED = f"""
SELECT DISTINCT l.namespace, l.vector_id FROM lineage l
 WHERE l.document_id = %(document)s AND l.version = %(version)s AND l.vector_id IS NOT NULL
   AND NOT EXISTS (
       SELECT 1 FROM (SELECT document_id, version FROM lineage WHERE vector_id = l.vector_id OFFSET 0) holder
         JOIN versions v USING (document_id, version) JOIN documents d USING (document_id)
        WHERE v.indexed_in_store = %(store)s AND ({RETAINED})
          AND (v.pending_positions IS NULL OR v.document_id = %(document)s AND v.version = %(version)s))
 ORDER BY l.namespace, l.vector_id
"""  # noqa: S608 - a constant of our own

# Returns the vectors that no retained version accounts for.
UNEXPLAINED = f"""
SELECT s.vector_id FROM unnest(%(ids)s::uuid[]) AS s(vector_id)
 WHERE NOT EXISTS (
       SELECT 1 FROM (SELECT document_id, version, namespace FROM lineage WHERE vector_id = s.vector_id OFFSET 0) l
         JOIN versions v USING (document_id, version) JOIN documents d USING (document_id)
        WHERE l.namespace = ANY(%(namespaces)s) AND (%(lately)s OR {RETAINED}))
"""  # noqa: S608 - constants of our own

# Returns the live rows behind vectors, within a search's scope.
SOURCES = """
SELECT l.vector_id, l.namespace, l.content, l.document_id, l.version, v.filename, l.sheet, l.row_number,
       l.employee_id
  FROM lineage l
  JOIN documents d ON d.document_id = l.document_id AND d.live_version = l.version
  JOIN versions v ON v.document_id = l.document_id AND v.version = l.version
 WHERE l.vector_id = ANY(%(vectors)s) AND d.organization_id = %(organization)s
   AND (%(employee)s::text IS NULL OR l.employee_id = %(employee)s)
   AND (%(document)s::text IS NULL OR l.document_id = %(document)s)
 ORDER BY l.vector_id, l.document_id, l.row_position
"""

# Returns the rows of all stored versions behind one vector, newest version first.
TRACE = """
SELECT l.vector_id, l.namespace, l.content_hash, v.model, v.dimension, e.embedded_at, l.document_id, l.version,
       coalesce(l.version = d.live_version, false) AS live, v.filename, l.sheet, l.row_number, l.batch_number, l.run_id,
       l.employee_id, l.outcome, l.content, l.source_row
  FROM lineage l
  JOIN documents d ON d.document_id = l.document_id
  JOIN versions v ON v.document_id = l.document_id AND v.version = l.version
  LEFT JOIN embeddings e ON e.organization_id = l.organization_id AND e.model = v.model AND e.text_hash = l.text_hash
 WHERE l.vector_id = %(vector)s
   AND (%(organization)s::text IS NULL OR l.organization_id = %(organization)s)
   AND (%(employee)s::text IS NULL OR l.employee_id = %(employee)s)
 ORDER BY l.document_id, l.version DESC, l.row_position LIMIT 1000
"""

# Returns every row of a version, in reading order.
RECORDS = """
SELECT l.vector_id::text, l.namespace, l.sheet, l.row_number, l.batch_number, l.employee_id, l.outcome, l.error,
       encode(l.content_hash, 'hex') AS content_hash, l.run_id, v.model, v.dimension, e.embedded_at,
       coalesce(l.version = d.live_version, false) AS live, l.document_id, l.version, v.filename
  FROM lineage l
  JOIN documents d ON d.document_id = l.document_id
  JOIN versions v ON v.document_id = l.document_id AND v.version = l.version
  LEFT JOIN embeddings e ON e.organization_id = l.organization_id AND e.model = v.model AND e.text_hash = l.text_hash
   AND l.vector_id IS NOT NULL
 WHERE l.document_id = %(document)s AND l.version = %(version)s ORDER BY l.row_position
"""


class Lineage:
    def __init__(self, database: Database) -> None:
        self._database = database

    # -- which vectors a version needs ------------------------------------------------------------------------

    def namespaces(self, version: Version) -> list[str]:
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT DISTINCT namespace FROM lineage WHERE document_id = %s AND version = %s "
                "AND vector_id IS NOT NULL ORDER BY namespace",
                (version.document_id, version.version),
            ).fetchall()
        return [row["namespace"] for row in rows]

    def vector_pages(self, version: Version, size: int = 5000) -> Iterator[tuple[str, list[str]]]:
        """(namespace, ids) of the vectors that the version points at, each once, in pages of one namespace.

        One query for all pages, read by a cursor of the server: the file's size costs no memory.
        """
        statement = (
            "SELECT DISTINCT namespace, vector_id FROM lineage WHERE document_id = %(document)s "
            "AND version = %(version)s AND vector_id IS NOT NULL ORDER BY namespace, vector_id"
        )
        return self._pages(statement, version, None, size)

    def unstored_pages(self, version: Version, store: str, size: int = 5000) -> Iterator[tuple[str, list[str]]]:
        """Those `vector_pages` that no version known to be in this store points at: what it may lack.

        This is how a store is written to that cannot be asked what it holds (`VectorStore.strongly_consistent`).
        """
        return self._pages(UNSTORED, version, store, size)

    def _pages(
        self, statement: LiteralString, version: Version, store: str | None, size: int
    ) -> Iterator[tuple[str, list[str]]]:
        with self._database.reading() as connection, connection.cursor(name="vector_pages") as cursor:
            cursor.itersize = size
            cursor.execute(statement, {"document": version.document_id, "version": version.version, "store": store})
            for namespace, rows in groupby(cursor, itemgetter("namespace")):
                while page := [str(row["vector_id"]) for row in islice(rows, size)]:
                    yield namespace, page

    def pending_positions(self, version: Version, store: str) -> dict[str, int]:
        """Namespace → position in this store's log that searches had not reached at the last poll."""
        with self._database.statement() as connection:
            row = connection.execute(
                "SELECT pending_positions FROM versions WHERE document_id = %s AND version = %s "
                "AND indexed_in_store = %s",
                (version.document_id, version.version, store),
            ).fetchone()
        return dict((row and row["pending_positions"]) or {})

    def mark_stored(self, version: Version, store: str, awaited: Mapping[str, int]) -> None:
        """All vectors that the version points at were acknowledged by the store of this name, and are seen when
        searches have reached these positions of its log."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE versions SET indexed_in_store = %s, pending_positions = %s WHERE document_id = %s "
                "AND version = %s",
                (store, Jsonb(dict(awaited)) if awaited else None, version.document_id, version.version),
            )

    def record_namespaces(self, version: Version) -> int:
        """Write which namespaces, and so which employees, the version reached; returns how many."""
        with self._database.transaction() as connection:
            params = {"document": version.document_id, "version": version.version}
            connection.execute(
                "DELETE FROM document_namespaces WHERE document_id = %(document)s AND version = %(version)s", params
            )
            return connection.execute(
                "INSERT INTO document_namespaces "
                "SELECT document_id, version, namespace, max(employee_id), array_agg(DISTINCT vector_id), "
                "count(DISTINCT vector_id) FROM lineage WHERE document_id = %(document)s AND version = %(version)s "
                "AND vector_id IS NOT NULL GROUP BY document_id, version, namespace",
                params,
            ).rowcount

    def errors(self, version: Version, code: RowErrorCode | None = None) -> list[dict[str, Any]]:
        """The first 100 error rows, in reading order; with a code, those that have it."""
        with self._database.statement() as connection:
            return connection.execute(
                ERRORS, {"document": version.document_id, "version": version.version, "code": code}
            ).fetchall()

    def all_errors(self, version: Version) -> Iterator[tuple[str, int, str]]:
        """(sheet, row number, message) of every error row, in reading order, by a cursor of the server."""
        with self._database.transaction() as connection, connection.cursor(name="errors") as cursor:
            cursor.execute(
                "SELECT sheet, row_number, error FROM lineage WHERE document_id = %s AND version = %s "
                "AND outcome = 'error' ORDER BY row_position",
                (version.document_id, version.version),
            )
            for row in cursor:
                yield row["sheet"], row["row_number"], row["error"]

    def error_count(self, version: Version, code: RowErrorCode | None = None) -> int:
        """How many error rows there are; with a code, how many have it."""
        with self._database.statement() as connection:
            row = connection.execute(
                "SELECT count(*) AS errors FROM lineage WHERE document_id = %(document)s AND version = %(version)s "
                "AND outcome = 'error' AND (%(code)s::text IS NULL OR error_code = %(code)s)",
                {"document": version.document_id, "version": version.version, "code": code},
            ).fetchone()
        assert row is not None  # an aggregate always answers
        return int(row["errors"])

    # -- reading ----------------------------------------------------------------------------------------------

    def sources(
        self,
        organization_id: str,
        vector_ids: Sequence[str],
        employee_id: str | None = None,
        document_id: str | None = None,
    ) -> dict[str, list[dict[str, Any]]]:
        """Live rows behind each vector, within the caller's scope; a vector without any is not in the answer."""
        with self._database.statement() as connection:
            rows = connection.execute(
                SOURCES,
                {
                    "vectors": list(vector_ids),
                    "organization": organization_id,
                    "employee": employee_id,
                    "document": document_id,
                },
            ).fetchall()
        by_vector: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_vector.setdefault(str(row["vector_id"]), []).append(row)
        return by_vector

    def trace(
        self, vector_id: str, organization_id: str | None = None, employee_id: str | None = None
    ) -> list[dict[str, Any]]:
        """Every row of every kept version that points at a vector, within the caller's scope, newest version first."""
        with self._database.statement() as connection:
            return connection.execute(
                TRACE, {"vector": vector_id, "organization": organization_id, "employee": employee_id}
            ).fetchall()

    def records(self, version: Version, size: int = 10_000) -> Iterator[list[dict[str, Any]]]:
        """Every lineage record of a version in reading order, `size` at a time, by a cursor of the server."""
        with self._database.reading() as connection, connection.cursor(name="lineage_records") as cursor:
            cursor.itersize = size
            cursor.execute(RECORDS, {"document": version.document_id, "version": version.version})
            while rows := cursor.fetchmany(size):
                yield rows

    def elsewhere(self, organization_id: str, model: str, store: str) -> list[str]:
        """Live documents of the organization that another model embedded, or that are in another store."""
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT d.document_id FROM documents d JOIN versions v ON v.document_id = d.document_id "
                "AND v.version = d.live_version WHERE d.organization_id = %s "
                "AND (v.model <> %s OR v.indexed_in_store IS DISTINCT FROM %s) ORDER BY 1",
                (organization_id, model, store),
            ).fetchall()
        return [row["document_id"] for row in rows]

    def unexplained(self, namespaces: Sequence[str], vector_ids: Sequence[str], lately: bool = False) -> list[str]:
        """Of these vectors of the store, those that no live version and none that is to be live points at.

        `lately`: also a version that was live once explains a vector, as a store that lags may still show it.
        """
        with self._database.statement() as connection:
            rows = connection.execute(
                UNEXPLAINED,
                {"ids": list(vector_ids), "namespaces": list(namespaces), "lately": lately},
            ).fetchall()
        return [str(row["vector_id"]) for row in rows]
