"""Lineage: which row of which live version points at which vector; the flip, the sweep, search sources, trace."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from pipelines.documents.costs import cost_usd
from pipelines.failures import Misuse
from resources.database.connections import Database
from resources.ledger.documents import Version

RESULT = """
SELECT count(*) AS total_rows,
       count(*) FILTER (WHERE outcome IN ('kept', 'unchanged')) AS processed_rows,
       count(*) FILTER (WHERE outcome = 'kept') AS vectors_created,
       count(*) FILTER (WHERE outcome = 'unchanged') AS unchanged_rows,
       count(*) FILTER (WHERE outcome = 'duplicate') AS duplicate_rows,
       count(*) FILTER (WHERE outcome = 'error') AS error_rows,
       coalesce(array_agg(DISTINCT namespace) FILTER (WHERE outcome = 'kept'), '{}') AS namespaces_updated
  FROM lineage WHERE document_id = %(document)s AND version = %(version)s
"""

ERRORS = """
SELECT sheet, row_number AS "rowNumber", error AS message FROM lineage
 WHERE document_id = %(document)s AND version = %(version)s AND outcome = 'error' ORDER BY row_position LIMIT 100
"""

READY = """
SELECT v.plan_key IS NOT NULL AND v.stored_in IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM batches b WHERE b.document_id = v.document_id AND b.version = v.version
                                                 AND b.status <> 'completed') AS ready
  FROM versions v WHERE document_id = %(document)s AND version = %(version)s
"""

# A version that nobody goes back to by itself: neither live, nor the newest, nor being worked on.
PASSED = """
v.version <> coalesce(d.live_version, 0) AND v.version < d.latest_version
AND v.status NOT IN ('pending', 'processing') AND v.swept_at IS NULL
"""

BEGIN_SWEEP = f"""
UPDATE versions v SET stored_in = NULL FROM documents d
 WHERE d.document_id = v.document_id AND v.document_id = %(document)s AND {PASSED} RETURNING v.version
"""  # noqa: S608 - a constant of this module

# A vector is owed to the store while a live version points at it, or one on its way to being live: also one that
# failed, while it is the newest and can be tried again.
# First, set against set, what the document itself no longer says; only for that little, vector by vector (OFFSET 0
# fences the look-up), whether anybody else still points there.
SUPERSEDED = f"""
WITH gone AS MATERIALIZED (
    SELECT v.model, l.namespace, l.vector_id
      FROM documents d JOIN versions v USING (document_id) JOIN lineage l USING (document_id, version)
     WHERE d.document_id = %(document)s AND {PASSED} AND l.vector_id IS NOT NULL
       AND (%(versions)s::int[] IS NULL OR v.version = ANY(%(versions)s))
       AND (%(versions)s::int[] IS NOT NULL OR EXISTS (
           SELECT 1 FROM document_namespaces n WHERE n.document_id = v.document_id AND n.version = v.version))
    EXCEPT
    SELECT v.model, l.namespace, l.vector_id
      FROM documents d JOIN versions v ON v.document_id = d.document_id AND v.version = d.live_version
      JOIN lineage l ON l.document_id = v.document_id AND l.version = v.version
     WHERE d.document_id = %(document)s AND l.vector_id IS NOT NULL)
SELECT model, namespace, vector_id FROM gone
 WHERE NOT EXISTS (
       SELECT 1
         FROM (SELECT document_id, version FROM lineage WHERE vector_id = gone.vector_id OFFSET 0) other
         JOIN versions v USING (document_id, version) JOIN documents d USING (document_id)
        WHERE other.version = d.live_version OR v.status IN ('pending', 'processing')
           OR v.status = 'failed' AND other.version = d.latest_version)
"""  # noqa: S608 - a constant of this module

# OFFSET 0 fences the look-up by key, as the planner takes a version that was just loaded for two rows.
UNSTORED = """
SELECT DISTINCT l.namespace, l.vector_id FROM lineage l
 WHERE l.document_id = %(document)s AND l.version = %(version)s AND l.vector_id IS NOT NULL
   AND NOT EXISTS (
       SELECT 1 FROM (SELECT document_id, version FROM lineage WHERE vector_id = l.vector_id OFFSET 0) holder
         JOIN versions v USING (document_id, version) WHERE v.stored_in = %(store)s)
 ORDER BY l.namespace, l.vector_id
"""

# A version without its namespaces written yet may be about to use any of the organization's.
ABANDONED = """
SELECT DISTINCT n.namespace FROM document_namespaces n
 WHERE n.document_id = %(document)s AND n.version = ANY(%(versions)s)
   AND NOT EXISTS (
       SELECT 1 FROM document_namespaces other JOIN documents d USING (document_id)
        WHERE other.namespace = n.namespace AND other.version = d.live_version)
   AND NOT EXISTS (
       SELECT 1 FROM documents d JOIN versions v USING (document_id)
        WHERE d.organization_id = %(organization)s
          AND (v.status IN ('pending', 'processing') OR v.status = 'failed' AND v.version = d.latest_version))
"""

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
 ORDER BY l.document_id, l.version DESC, l.row_position LIMIT 1000
"""


class Lineage:
    def __init__(self, database: Database) -> None:
        self._database = database

    # -- which vectors a version needs ------------------------------------------------------------------------

    def namespaces(self, version: Version) -> list[str]:
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT DISTINCT namespace FROM lineage WHERE document_id = %s AND version = %s "
                "AND vector_id IS NOT NULL ORDER BY namespace",
                (version.document_id, version.version),
            ).fetchall()
        return [row["namespace"] for row in rows]

    def vector_pages(self, version: Version, size: int = 5000) -> Iterator[tuple[str, list[str]]]:
        """(namespace, ids) of the vectors that the version points at, each once, in pages of one namespace.

        One query for all pages, read by a cursor of the server: the file's size costs no memory (law 9).
        """
        statement = (
            "SELECT DISTINCT namespace, vector_id FROM lineage WHERE document_id = %(document)s "
            "AND version = %(version)s AND vector_id IS NOT NULL ORDER BY namespace, vector_id"
        )
        return self._pages(statement, version, None, size)

    def unstored_pages(self, version: Version, store: str, size: int = 5000) -> Iterator[tuple[str, list[str]]]:
        """Those `vector_pages` that no version known to be in this store points at: what it may lack.

        This is how a store is written to that cannot be asked what it holds (`VectorStore.consistent`).
        """
        return self._pages(UNSTORED, version, store, size)

    def _pages(
        self, statement: LiteralString, version: Version, store: str | None, size: int
    ) -> Iterator[tuple[str, list[str]]]:
        with self._database.transaction() as connection, connection.cursor(name="vector_pages") as cursor:
            cursor.itersize = size
            cursor.execute(statement, {"document": version.document_id, "version": version.version, "store": store})
            for namespace, rows in groupby(cursor, itemgetter("namespace")):
                while page := [str(row["vector_id"]) for row in islice(rows, size)]:
                    yield namespace, page

    def mark_stored(self, version: Version, store: str) -> None:
        """All vectors that the version points at were acknowledged by the store of this name."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE versions SET stored_in = %s WHERE document_id = %s AND version = %s",
                (store, version.document_id, version.version),
            )

    def record_namespaces(self, version: Version) -> int:
        """Write which namespaces, and so which employees, the version reached (B5); returns how many."""
        with self._database.transaction() as connection:
            at = {"document": version.document_id, "version": version.version}
            connection.execute(
                "DELETE FROM document_namespaces WHERE document_id = %(document)s AND version = %(version)s", at
            )
            return connection.execute(
                "INSERT INTO document_namespaces "
                "SELECT document_id, version, namespace, max(employee_id), array_agg(DISTINCT vector_id), "
                "count(DISTINCT vector_id) FROM lineage WHERE document_id = %(document)s AND version = %(version)s "
                "AND vector_id IS NOT NULL GROUP BY document_id, version, namespace",
                at,
            ).rowcount

    # -- going live -------------------------------------------------------------------------------------------

    def make_live(self, version: Version, price_per_million_tokens: float | None) -> dict[str, Any]:
        """Flip the live version and write the result (B10), in one transaction; returns the result.

        Raises Misuse for a version whose earlier steps are not done: going live empty would lose the live rows.
        A version that is older than the live one is completed but not made live.
        """
        at = {"document": version.document_id, "version": version.version}
        with self._database.transaction() as connection:
            connection.execute("SELECT 1 FROM documents WHERE document_id = %(document)s FOR UPDATE", at)
            ready = connection.execute(READY, at).fetchone()
            if not ready or not ready["ready"]:
                raise Misuse(
                    f"Version {version.version} of {version.document_id} is not ready to go live: its batches are not "
                    "complete or its vectors not stored; materialize the whole group `documents`"
                )
            rows = connection.execute(RESULT, at).fetchone()
            paid = connection.execute(
                "SELECT coalesce(sum(embedded_inputs), 0)::bigint AS inputs, "
                "coalesce(sum(tokens), 0)::bigint AS tokens, "
                "coalesce(sum(economy_tokens), 0)::bigint AS economy_tokens "
                "FROM batches WHERE document_id = %(document)s AND version = %(version)s",
                at,
            ).fetchone()
            errors = connection.execute(ERRORS, at).fetchall()
            assert rows is not None  # an aggregate always answers
            assert paid is not None
            connection.execute(
                "UPDATE documents SET live_version = %(version)s WHERE document_id = %(document)s "
                "AND coalesce(live_version, 0) <= %(version)s",
                at,
            )
            gone = self._superseded_count(connection, version)
            result = {
                "totalRows": rows["total_rows"],
                "processedRows": rows["processed_rows"],
                "skippedRows": rows["duplicate_rows"],
                "errorRows": rows["error_rows"],
                "unchangedRows": rows["unchanged_rows"],
                "duplicateRows": rows["duplicate_rows"],
                "vectorsCreated": rows["vectors_created"],
                "vectorsDeleted": gone,
                "namespacesUpdated": rows["namespaces_updated"],
                "embeddedInputs": paid["inputs"],
                "tokens": paid["tokens"],
                "errors": errors,
                "costUsd": cost_usd(paid["tokens"], price_per_million_tokens, paid["economy_tokens"]),
            }
            written = connection.execute(
                "UPDATE versions SET status = 'completed', error = NULL, completed_at = clock_timestamp(), "
                "result = coalesce(result, %(result)s::jsonb || jsonb_build_object('processingTimeMs', "
                "(extract(epoch FROM clock_timestamp() - started_at) * 1000)::bigint)) "
                "WHERE document_id = %(document)s AND version = %(version)s RETURNING result",
                at | {"result": Jsonb(result)},
            ).fetchone()
            assert written is not None  # the version exists: a run holds it
            return dict(written["result"])

    def _superseded_count(self, connection: Any, version: Version) -> int:
        row = connection.execute(
            f"SELECT count(*) AS n FROM ({SUPERSEDED}) s",  # noqa: S608 - a constant of this module
            {"document": version.document_id, "versions": None},
        ).fetchone()
        return int(row["n"])

    def begin_sweep(self, document_id: str) -> list[int]:
        """The versions to be swept now. From here on nobody takes what they point at for stored."""
        with self._database.transaction() as connection:
            rows = connection.execute(BEGIN_SWEEP, {"document": document_id}).fetchall()
        return [row["version"] for row in rows]

    def superseded(
        self, document_id: str, versions: Sequence[int], size: int = 5000
    ) -> Iterator[list[tuple[str, str, str]]]:
        """Pages of (model, namespace, vector id) that only these superseded versions of the document point at."""
        with self._database.transaction() as connection, connection.cursor(name="superseded") as cursor:
            cursor.itersize = size
            cursor.execute(SUPERSEDED, {"document": document_id, "versions": list(versions)})
            while rows := cursor.fetchmany(size):
                yield [(row["model"], row["namespace"], str(row["vector_id"])) for row in rows]

    def abandoned_namespaces(self, organization_id: str, document_id: str, versions: Sequence[int]) -> list[str]:
        """Namespaces of these superseded versions that no live version uses and none on its way can use."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                ABANDONED, {"organization": organization_id, "document": document_id, "versions": list(versions)}
            ).fetchall()
        return [row["namespace"] for row in rows]

    def mark_swept(self, document_id: str, versions: Sequence[int]) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE versions SET swept_at = now() WHERE document_id = %s AND version = ANY(%s)",
                (document_id, list(versions)),
            )

    @contextmanager
    def sweeping(self, organization_id: str) -> Iterator[None]:
        """Held while vectors are found unowned and deleted, so that nobody comes to rely on them in between."""
        with self._database.lock(2, organization_id):
            yield

    def after_sweeps(self, organization_id: str) -> None:
        """Wait until sweeps that began before this call are over; later ones see the caller's lineage."""
        with self.sweeping(organization_id):
            return

    def errors(self, version: Version) -> list[dict[str, Any]]:
        """The first 100 error rows, in reading order (B10)."""
        with self._database.transaction() as connection:
            return connection.execute(ERRORS, {"document": version.document_id, "version": version.version}).fetchall()

    # -- being asked about ------------------------------------------------------------------------------------

    def sources(
        self,
        organization_id: str,
        vector_ids: Sequence[str],
        employee_id: str | None = None,
        document_id: str | None = None,
    ) -> dict[str, list[dict[str, Any]]]:
        """Live rows behind each vector, within the caller's scope; a vector without any is not in the answer."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                SOURCES,
                {
                    "vectors": list(vector_ids),
                    "organization": organization_id,
                    "employee": employee_id,
                    "document": document_id,
                },
            ).fetchall()
        found: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            found.setdefault(str(row["vector_id"]), []).append(row)
        return found

    def trace(self, vector_id: str, organization_id: str | None = None) -> list[dict[str, Any]]:
        """Every row of every kept version that points at a vector, newest version first."""
        with self._database.transaction() as connection:
            return connection.execute(TRACE, {"vector": vector_id, "organization": organization_id}).fetchall()

    def elsewhere(self, organization_id: str, model: str, store: str) -> list[str]:
        """Live documents of the organization that another model embedded, or that are in another store."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT d.document_id FROM documents d JOIN versions v ON v.document_id = d.document_id "
                "AND v.version = d.live_version WHERE d.organization_id = %s "
                "AND (v.model <> %s OR v.stored_in IS DISTINCT FROM %s) ORDER BY 1",
                (organization_id, model, store),
            ).fetchall()
        return [row["document_id"] for row in rows]

    def unexplained(
        self, model: str, namespaces: Sequence[str], vector_ids: Sequence[str], lately: bool = False
    ) -> list[str]:
        """Of these vectors of the store, those that no live version and none on its way points at.

        `lately`: also a version that was live once explains a vector, as a store that lags may still show it.
        """
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT s.vector_id FROM unnest(%(ids)s::uuid[]) AS s(vector_id) WHERE NOT EXISTS ("
                "SELECT 1 FROM (SELECT document_id, version, namespace FROM lineage WHERE vector_id = s.vector_id "
                "OFFSET 0) l JOIN versions v USING (document_id, version) JOIN documents d USING (document_id) "
                "WHERE v.model = %(model)s AND l.namespace = ANY(%(namespaces)s) "
                "AND (%(lately)s OR l.version = d.live_version OR v.status IN ('pending', 'processing') "
                "OR v.status = 'failed' AND v.version = d.latest_version))",
                {"ids": list(vector_ids), "model": model, "namespaces": list(namespaces), "lately": lately},
            ).fetchall()
        return [str(row["vector_id"]) for row in rows]
