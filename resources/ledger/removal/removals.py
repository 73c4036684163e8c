"""Removals: what goes with a document or with its old versions, and that nothing of it is left in the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from resources.database.connections import Connection, Database
from resources.database.locks import LockKind, lock, lock_shared
from resources.ledger.documents.documents import read_version
from resources.ledger.documents.garbage_collection import OF_ROW, RETAINED
from resources.ledger.documents.versions import Version

# The rows of these documents, one after the other (of all versions, or of these).
OF_DOCUMENTS = """
  FROM unnest(%(documents)s::text[]) WITH ORDINALITY AS given (document_id, place)
  JOIN versions v USING (document_id) JOIN lineage l USING (document_id, version)
"""
OF_VERSIONS = "(%(versions)s::int[] IS NULL OR v.version = ANY(%(versions)s))"
OTHERS = "NOT (l.document_id = ANY(%(documents)s) AND (%(versions)s::int[] IS NULL OR l.version = ANY(%(versions)s)))"

# Returns how many vectors in the store only these point at, by namespace: each is deleted with the last of its
# documents.
REMOVABLE = f"""
WITH mine AS MATERIALIZED (
    SELECT l.namespace, l.vector_id, max(place) AS place {OF_DOCUMENTS}
      JOIN document_namespaces n USING (document_id, version, namespace)
     WHERE {OF_VERSIONS} AND v.collected_at IS NULL AND l.vector_id IS NOT NULL GROUP BY l.namespace, l.vector_id)
SELECT place, namespace, count(*) AS vectors FROM mine
 WHERE NOT EXISTS (
       SELECT 1
         FROM (SELECT document_id, version FROM lineage WHERE vector_id = mine.vector_id OFFSET 0) l {OF_ROW}
        WHERE {OTHERS} AND ({RETAINED}))
 GROUP BY place, namespace ORDER BY namespace
"""  # noqa: S608 - constants of our own

# Returns how many stored embeddings only these need, as `UNNEEDED` will delete them.
FORGETTABLE = f"""
WITH texts AS MATERIALIZED (
    SELECT l.organization_id, v.model, l.text_hash, max(place) AS place {OF_DOCUMENTS}
     WHERE {OF_VERSIONS} AND l.text_hash IS NOT NULL GROUP BY l.organization_id, v.model, l.text_hash)
SELECT place, count(*) AS embeddings FROM texts t
  JOIN LATERAL (SELECT 1 FROM embeddings e WHERE e.organization_id = t.organization_id AND e.model = t.model
                                            AND e.text_hash = t.text_hash LIMIT 1) e ON true
 WHERE NOT EXISTS (
       SELECT 1
         FROM (SELECT document_id, version, organization_id FROM lineage WHERE text_hash = t.text_hash OFFSET 0) l
         {OF_ROW}
        WHERE l.organization_id = t.organization_id AND v.model = t.model AND {OTHERS})
 GROUP BY place
"""  # noqa: S608

# Versions that no rollback needs, as `keep` newer completed ones are stored; or whose removal began before.
OLD = f"""
SELECT v.document_id, v.version FROM versions v JOIN documents d USING (document_id)
 WHERE (%(document)s::text IS NULL OR d.document_id = %(document)s)
   AND (%(organization)s::text IS NULL OR d.organization_id = %(organization)s)
   AND d.removal_requested_at IS NULL AND NOT ({RETAINED})
   AND (v.purged_at IS NOT NULL OR (SELECT count(*) FROM versions newer WHERE newer.document_id = v.document_id
           AND newer.version > v.version AND newer.status = 'completed') >= %(keep)s)
"""  # noqa: S608

WITH_OLD = f"""
SELECT document_id, count(*) OVER ()::int AS documents FROM ({OLD}) old
 GROUP BY document_id ORDER BY document_id LIMIT %(limit)s
"""  # noqa: S608

# Takes the document out of searches and uploads.
WITHDRAW = """
UPDATE documents SET removal_requested_at = coalesce(removal_requested_at, now()), live_version = NULL, target_version
       = NULL
 WHERE document_id = %(document)s
"""

# The texts that these versions say.
TEXTS = """
CREATE TEMP TABLE texts ON COMMIT DROP AS
SELECT DISTINCT v.model, l.text_hash FROM versions v JOIN lineage l USING (document_id, version)
 WHERE v.document_id = %(document)s AND (%(versions)s::int[] IS NULL OR v.version = ANY(%(versions)s))
   AND l.text_hash IS NOT NULL
"""

# Deletes embeddings of these texts that no version needs.
UNNEEDED = f"""
DELETE FROM embeddings e USING texts t
 WHERE e.organization_id = %(organization)s AND e.model = t.model AND e.text_hash = t.text_hash
   AND NOT EXISTS (
       SELECT 1
         FROM (SELECT document_id, version, organization_id FROM lineage WHERE text_hash = t.text_hash OFFSET 0) l
         {OF_ROW}
        WHERE l.organization_id = e.organization_id AND v.model = e.model)
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Going:
    """What would be deleted with a document: vectors by namespace, and stored embeddings."""

    vectors: dict[str, int] = field(default_factory=dict)
    embeddings: int = 0


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted from the ledger."""

    versions: int
    embeddings: int


class Removals:
    def __init__(self, database: Database) -> None:
        self._database = database

    def going(self, document_ids: Sequence[str], versions: Sequence[int] | None = None) -> list[Going]:
        """What would be deleted with each of these documents (these versions of them), if removed in this order."""
        params = {"documents": list(document_ids), "versions": None if versions is None else list(versions)}
        with self._database.transaction() as connection:
            vectors = connection.execute(REMOVABLE, params).fetchall()
            embeddings = connection.execute(FORGETTABLE, params).fetchall()
        embeddings_by_place = {row["place"]: row["embeddings"] for row in embeddings}
        return [
            Going(
                {row["namespace"]: row["vectors"] for row in vectors if row["place"] == place},
                embeddings_by_place.get(place, 0),
            )
            for place in range(1, len(document_ids) + 1)
        ]

    def versions(self, document_id: str) -> list[Version]:
        """All stored versions of a document, oldest first; none if there is no such document."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT version FROM versions WHERE document_id = %s ORDER BY version", (document_id,)
            ).fetchall()
            return [read_version(connection, document_id, row["version"]) for row in rows]

    def withdraw(self, document_id: str) -> None:
        """From now on no search shows the document, no upload continues it, and no vector of it is retained."""
        with self._database.transaction() as connection:
            _join_flips(connection, document_id)
            connection.execute(WITHDRAW, {"document": document_id})

    def withdraw_at_rest(self, document_id: str) -> bool:
        """`withdraw`, unless a run works on the document, which would make it live again. Returns whether.

        A run that starts later finds no document (`Documents.start` waits for this transaction).
        """
        with self._database.transaction() as connection:
            connection.execute("SELECT 1 FROM documents WHERE document_id = %s FOR UPDATE", (document_id,))
            _join_flips(connection, document_id)
            busy = connection.execute(
                "SELECT 1 FROM versions WHERE document_id = %s AND status = 'processing' LIMIT 1", (document_id,)
            ).fetchone()
            if not busy:
                connection.execute(WITHDRAW, {"document": document_id})
        return not busy

    def old(self, document_id: str, keep: int) -> list[int]:
        """Versions older than the newest `keep` completed ones that nothing needs."""
        params = {"document": document_id, "organization": None, "keep": keep}
        with self._database.transaction() as connection:
            rows = connection.execute(f"{OLD} ORDER BY version", params).fetchall()
        return [row["version"] for row in rows]

    def with_old(self, organization_id: str | None, keep: int, limit: int) -> tuple[list[str], int]:
        """At most `limit` documents with `old` versions, oldest first; and how many there are in all."""
        params = {"document": None, "organization": organization_id, "keep": keep, "limit": limit}
        with self._database.transaction() as connection:
            rows = connection.execute(WITH_OLD, params).fetchall()
        return [row["document_id"] for row in rows], rows[0]["documents"] if rows else 0

    def begin_forgetting(self, document_id: str, versions: Sequence[int]) -> None:
        """From now on no rollback to these versions is possible, however far their removal has come."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE versions SET purged_at = coalesce(purged_at, now()) "
                "WHERE document_id = %s AND version = ANY(%s)",
                (document_id, list(versions)),
            )

    def forget(self, organization_id: str, document_id: str, versions: Sequence[int] | None = None) -> Forgotten:
        """Delete these versions (None: the document), their batches and lineage, and embeddings that nothing needs."""
        params = {
            "organization": organization_id,
            "document": document_id,
            "versions": None if versions is None else list(versions),
        }
        with self._database.transaction() as connection:
            lock(connection, LockKind.EMBEDDINGS, organization_id)
            connection.execute(TEXTS, params)
            connection.execute("ANALYZE texts")
            deleted = _delete(connection, params)
            return Forgotten(deleted, connection.execute(UNNEEDED, params).rowcount)


def _join_flips(connection: Connection, document_id: str) -> None:
    """Wait until no search needs its organization's live versions to stay as they are; from here on it waits."""
    row = connection.execute("SELECT organization_id FROM documents WHERE document_id = %s", (document_id,)).fetchone()
    if row:
        lock_shared(connection, LockKind.LIVE_VERSIONS, row["organization_id"])


def _delete(connection: Connection, params: Mapping[str, object]) -> int:
    deleted = connection.execute(
        "DELETE FROM versions WHERE document_id = %(document)s "
        "AND (%(versions)s::int[] IS NULL OR version = ANY(%(versions)s))",
        params,
    ).rowcount
    if params["versions"] is None:
        connection.execute("DELETE FROM documents WHERE document_id = %(document)s", params)
    return deleted
