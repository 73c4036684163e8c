"""Reconciliation: which vectors the ledger promises in a namespace, and which of a store's vectors it needs."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from resources.database.connections import Database
from resources.ledger.documents.documents import read_version
from resources.ledger.documents.garbage_collection import OF_ROW, RETAINED
from resources.ledger.documents.versions import Version

# Returns the vectors that live rows of a namespace point at.
PROMISED = """
SELECT DISTINCT l.vector_id
  FROM document_namespaces n
  JOIN documents d ON d.document_id = n.document_id AND d.live_version = n.version
  JOIN lineage l ON l.document_id = n.document_id AND l.version = n.version AND l.namespace = n.namespace
 WHERE n.namespace = %(namespace)s AND l.vector_id IS NOT NULL ORDER BY l.vector_id
"""

# Returns a live version for each vector. Any one that points at the vector will do: they all say the same.
OWNERS = """
SELECT wanted.vector_id, o.document_id, o.version
  FROM unnest(%(ids)s::uuid[]) AS wanted (vector_id)
 CROSS JOIN LATERAL (
       SELECT l.document_id, l.version
         FROM (SELECT document_id, version FROM lineage WHERE vector_id = wanted.vector_id OFFSET 0) l
         JOIN documents d ON d.document_id = l.document_id AND d.live_version = l.version LIMIT 1) o
"""

# Returns of each vector whether any row points at it, and whether a retained one does.
KNOWN = f"""
SELECT held.vector_id, count(o.*) > 0 AS known, coalesce(bool_or(o.retained), false) AS retained
  FROM unnest(%(ids)s::uuid[]) AS held (vector_id)
  LEFT JOIN LATERAL (
       SELECT {RETAINED} AS retained
         FROM (SELECT document_id, version, namespace FROM lineage WHERE vector_id = held.vector_id OFFSET 0) l
         {OF_ROW}
        WHERE l.namespace = %(namespace)s) o ON true
 GROUP BY held.vector_id
"""  # noqa: S608 - constants of our own

ORGANIZATION = """
SELECT organization_id FROM (
    SELECT d.organization_id FROM document_namespaces n JOIN documents d USING (document_id) WHERE n.namespace = %(n)s
    UNION SELECT organization_id FROM employees WHERE namespace = %(n)s) o LIMIT 1
"""


class Unreferenced(NamedTuple):
    """Ids that nobody needs: of rows that are not retained (`stale`), and of no row of the ledger (`orphaned`)."""

    stale: list[str]
    orphaned: list[str]


class Reconciliation:
    def __init__(self, database: Database) -> None:
        self._database = database

    def namespaces(self) -> Iterator[str]:
        """Every namespace that a stored version used, in order."""
        after = ""
        while True:
            with self._database.transaction() as connection:
                row = connection.execute(
                    "SELECT min(namespace) AS name FROM document_namespaces WHERE namespace > %s",
                    (after,),
                ).fetchone()
            if row is None or row["name"] is None:
                return
            after = row["name"]
            yield after

    def organization(self, namespace: str) -> str | None:
        with self._database.transaction() as connection:
            row = connection.execute(ORGANIZATION, {"n": namespace}).fetchone()
        return row["organization_id"] if row else None

    def promised(self, namespace: str, size: int = 5000) -> Iterator[str]:
        """Ids of all vectors that live rows of the namespace point at, ascending; by a cursor of the server."""
        with self._database.reading() as connection, connection.cursor(name="promised_ids") as cursor:
            cursor.itersize = size
            for row in cursor.execute(PROMISED, {"namespace": namespace}):
                yield str(row["vector_id"])

    def owners(self, vector_ids: Sequence[str]) -> dict[tuple[str, int], list[str]]:
        """(document, version) → the ids that it can restore, without ids that are no longer promised."""
        with self._database.transaction() as connection:
            rows = connection.execute(OWNERS, {"ids": list(vector_ids)}).fetchall()
        by_version: dict[tuple[str, int], list[str]] = {}
        for row in rows:
            by_version.setdefault((row["document_id"], row["version"]), []).append(str(row["vector_id"]))
        return by_version

    def version(self, document_id: str, number: int) -> Version:
        with self._database.transaction() as connection:
            return read_version(connection, document_id, number)

    def find_unreferenced(self, namespace: str, vector_ids: Sequence[str]) -> Unreferenced:
        """Of these vectors of a store's namespace, those that no version needs there."""
        with self._database.transaction() as connection:
            rows = connection.execute(KNOWN, {"namespace": namespace, "ids": list(vector_ids)}).fetchall()
        unreferenced = [row for row in rows if not row["retained"]]
        return Unreferenced(
            [str(row["vector_id"]) for row in unreferenced if row["known"]],
            [str(row["vector_id"]) for row in unreferenced if not row["known"]],
        )
