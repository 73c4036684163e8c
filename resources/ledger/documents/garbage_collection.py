"""Garbage collection: finds the vectors that no version needs any more, and records that they were deleted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from resources.database.connections import Connection, Database
from resources.database.locks import LockKind

# A vector is retained while one of these versions points at it: the live one, the target of a rollback, one that waits
# or is processed; also one that failed, while it is the newest and can be tried again. Nothing is retained of a
# document whose removal was requested.
RETAINED = """
d.removal_requested_at IS NULL
AND (coalesce(v.version IN (d.live_version, d.target_version), false) OR v.status IN ('pending', 'processing')
     OR v.status = 'failed' AND v.version = d.latest_version)
"""

# The version and document of a row `l`, by look-ups that the planner cannot turn round: it does not know how many rows
# point at a vector, and would read all versions for each.
OF_ROW = """
JOIN LATERAL (SELECT * FROM versions WHERE document_id = l.document_id AND version = l.version LIMIT 1) v ON true
JOIN LATERAL (SELECT * FROM documents WHERE document_id = l.document_id LIMIT 1) d ON true
"""

MARK_VERSIONS = f"""
UPDATE versions v SET indexed_in_store = NULL, pending_positions = NULL FROM documents d
 WHERE d.document_id = v.document_id AND v.document_id = %(document)s AND v.collected_at IS NULL AND NOT ({RETAINED})
RETURNING v.version
"""  # noqa: S608 - constants of this module

# First, set against set, what the document itself no longer says; only for that little, vector by vector (OFFSET 0
# fences the look-up), whether anybody else still points there. A version that failed before it wrote which namespaces
# it reaches has nothing in the store: nothing of it is deleted, or counted, as the dry run says.
SUPERSEDED = f"""
WITH gone AS MATERIALIZED (
    SELECT v.model, l.namespace, l.vector_id
      FROM documents d JOIN versions v USING (document_id) JOIN lineage l USING (document_id, version)
     WHERE d.document_id = %(document)s AND v.collected_at IS NULL AND NOT ({RETAINED}) AND l.vector_id IS NOT NULL
       AND (%(versions)s::int[] IS NULL OR v.version = ANY(%(versions)s))
       AND EXISTS (SELECT 1 FROM document_namespaces n WHERE n.document_id = v.document_id AND n.version = v.version)
    EXCEPT
    SELECT v.model, l.namespace, l.vector_id
      FROM documents d JOIN versions v ON v.document_id = d.document_id AND v.version = d.live_version
      JOIN lineage l ON l.document_id = v.document_id AND l.version = v.version
     WHERE d.document_id = %(document)s AND l.vector_id IS NOT NULL)
SELECT model, namespace, vector_id FROM gone
 WHERE NOT EXISTS (
       SELECT 1
         FROM (SELECT document_id, version FROM lineage WHERE vector_id = gone.vector_id OFFSET 0) l {OF_ROW}
        WHERE {RETAINED})
"""  # noqa: S608 - constants of this module

ABANDONED = """
SELECT DISTINCT n.namespace FROM document_namespaces n
 WHERE n.document_id = %(document)s AND n.version = ANY(%(versions)s)
   AND NOT EXISTS (
       SELECT 1 FROM document_namespaces other JOIN documents d USING (document_id)
        WHERE other.namespace = n.namespace AND other.version IN (d.live_version, d.target_version))
"""

# A version without its namespaces written yet may be about to use any of the organization's.
UNDER_WAY = f"""
SELECT 1 FROM documents d JOIN versions v USING (document_id)
 WHERE d.organization_id = %(organization)s AND v.version IS DISTINCT FROM d.live_version AND ({RETAINED}) LIMIT 1
"""  # noqa: S608 - constants of this module


class GarbageCollector:
    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def collection_lock(self, organization_id: str) -> Iterator[None]:
        """Held while vectors are found unreferenced and deleted, so that nobody comes to rely on them in between."""
        with self._database.lock(LockKind.COLLECTION, organization_id):
            yield

    def wait(self, organization_id: str) -> None:
        """Wait until collections that began before this call are over; later ones see the caller's lineage."""
        if self._database.is_locked(LockKind.COLLECTION, organization_id):  # the check costs no connection of its own
            with self.collection_lock(organization_id):
                return

    def mark(self, document_id: str) -> list[int]:
        """The versions to be collected now. From here on nobody counts what they point at as stored."""
        with self._database.transaction() as connection:
            rows = connection.execute(MARK_VERSIONS, {"document": document_id}).fetchall()
        return [row["version"] for row in rows]

    def superseded(
        self, document_id: str, versions: Sequence[int], size: int = 5000
    ) -> Iterator[list[tuple[str, str, str]]]:
        """Pages of (model, namespace, vector id) that only these versions of the document point at."""
        with self._database.reading() as connection, connection.cursor(name="superseded") as cursor:
            cursor.itersize = size
            cursor.execute(SUPERSEDED, {"document": document_id, "versions": list(versions)})
            while rows := cursor.fetchmany(size):
                yield [(row["model"], row["namespace"], str(row["vector_id"])) for row in rows]

    def abandoned_namespaces(self, organization_id: str, document_id: str, versions: Sequence[int]) -> list[str]:
        """Namespaces of these versions that no live version uses and no version under way can use."""
        with self._database.transaction() as connection:
            params = {"organization": organization_id, "document": document_id, "versions": list(versions)}
            rows = connection.execute(ABANDONED, params).fetchall()
            # only for the few that are left: it reads every document of the organization
            if not rows or connection.execute(UNDER_WAY, params).fetchone():
                return []
        return [row["namespace"] for row in rows]

    def finish(self, document_id: str, versions: Sequence[int]) -> None:
        """Record that nothing which only these versions pointed at is in the store any more."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE versions SET collected_at = now() WHERE document_id = %s AND version = ANY(%s)",
                (document_id, list(versions)),
            )


def superseded_count(connection: Connection, document_id: str) -> int:
    """How many vectors a collection of the document would delete now."""
    row = connection.execute(
        f"SELECT count(*) AS n FROM ({SUPERSEDED}) s",  # noqa: S608 - a constant of this module
        {"document": document_id, "versions": None},
    ).fetchone()
    assert row is not None  # an aggregate always returns a row
    return int(row["n"])
