"""What an organization may see of its documents: each by an id, in pages, and whether anything has changed."""

from collections.abc import Sequence

from domain.documents.statuses import Status
from domain.errors import NotFound
from resources.database.connections import Connection, Database
from resources.ledger.documents.documents import CURRENT, VERSION, own_id, read_version
from resources.ledger.documents.versions import Version, version_row

# First the page, by look-ups that the planner cannot turn round, in the order of the index documents_of_organization:
# it costs what it holds, however many documents there are. Then what is shown of it.
# Names are compared in one normal form: a Mac writes the letters of Hangul apart.
PAGE = f"""
WITH page AS MATERIALIZED (
    SELECT d.document_id, c.version
      FROM (SELECT document_id FROM documents
             WHERE organization_id = %(organization)s AND removal_requested_at IS NULL
               AND (%(before)s::text IS NULL OR document_id < %(before)s)
             ORDER BY document_id DESC OFFSET 0) d
      JOIN LATERAL (SELECT version, status, filename FROM versions WHERE document_id = d.document_id
                     ORDER BY status = 'rolled_back', version DESC LIMIT 1) c ON true
     WHERE (%(status)s::text IS NULL OR c.status = %(status)s)
       AND (%(filename)s::text IS NULL
            OR strpos(lower(normalize(c.filename)), lower(normalize(%(filename)s::text))) > 0)
     ORDER BY d.document_id DESC LIMIT %(limit)s)
{VERSION} JOIN page USING (document_id, version) ORDER BY document_id DESC
"""  # noqa: S608 - a constant of our own

# Returns a row per version with a plan: its batches that are done, and all.
PROGRESS = """
SELECT b.document_id, count(*) FILTER (WHERE b.status = 'completed') AS done, count(*) AS total
  FROM unnest(%(documents)s::text[], %(versions)s::int[]) AS v (document_id, version)
  JOIN batches b USING (document_id, version)
 GROUP BY b.document_id
"""

# xmin is the transaction that wrote a row as it stands: equal tags mean that nothing was written in between.
ETAG = """
SELECT d.xmin::text || '-' || v.xmin::text || '-' || coalesce(
       (SELECT md5(string_agg(b.xmin::text, ',' ORDER BY b.batch_number)) FROM batches b
         WHERE b.document_id = v.document_id AND b.version = v.version), '') AS mark
  FROM documents d JOIN versions v USING (document_id)
 WHERE document_id = %(document)s AND version = %(version)s
"""


class Listing:
    """Reads documents for one organization; another one's documents do not exist for it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def document(self, organization_id: str, document: str, version: int | None = None) -> Version:
        """A document by its id, ours or the one that the app gave it: this version, else the current one.

        Raises NotFound if there is none, it belongs to another organization, or its removal was requested.
        """
        with self._database.transaction() as connection:
            document_id, current = _current(connection, organization_id, document)
            return read_version(connection, document_id, current if version is None else version)

    def page(
        self,
        organization_id: str,
        limit: int,
        before: str | None = None,
        status: Status | None = None,
        filename: str | None = None,
    ) -> list[Version]:
        """The current versions of documents, newest document first, those older than `before`.

        Documents uploaded meanwhile are newer than any page that follows, so none is listed twice.
        """
        with self._database.transaction() as connection, connection.cursor(row_factory=version_row) as cursor:
            return cursor.execute(
                PAGE,
                {
                    "organization": organization_id,
                    "before": before,
                    "status": status,
                    "filename": filename,
                    "limit": limit,
                },
            ).fetchall()

    def versions(self, version: Version) -> list[Version]:
        """All kept versions of a document, newest first."""
        with self._database.transaction() as connection, connection.cursor(row_factory=version_row) as cursor:
            return cursor.execute(
                VERSION + "WHERE v.document_id = %s ORDER BY v.version DESC", (version.document_id,)
            ).fetchall()

    def progress(self, versions: Sequence[Version]) -> dict[str, tuple[int, int]]:
        """Document → (batches that are done, all batches); a document without a plan yet is left out."""
        with self._database.transaction() as connection:
            params = {
                "documents": [version.document_id for version in versions],
                "versions": [version.version for version in versions],
            }
            rows = connection.execute(PROGRESS, params).fetchall()
        return {row["document_id"]: (row["done"], row["total"]) for row in rows}

    def etag(self, version: Version) -> str:
        """Changes with everything that the ledger says of the version and its batches, and with nothing else."""
        with self._database.transaction() as connection:
            row = connection.execute(ETAG, {"document": version.document_id, "version": version.version}).fetchone()
        if row is None:
            raise NotFound(f"Document {version.document_id} has no version {version.version}")
        return str(row["mark"])


def _current(connection: Connection, organization_id: str, document: str) -> tuple[str, int]:
    """(document id, current version) of what the organization calls by this id."""
    row = connection.execute(
        f"SELECT document_id, {CURRENT} AS version FROM documents d WHERE document_id = %s",  # noqa: S608
        (own_id(connection, organization_id, document),),
    ).fetchone()
    if row is None:
        raise NotFound(f"There is no document {document}")
    return row["document_id"], row["version"]
