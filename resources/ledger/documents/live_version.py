"""Which version of a document is live: the flip forward, and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg.types.json import Jsonb

from domain.documents.costs import cost_usd
from domain.errors import Conflict, InvalidRequest, NotFound
from resources.database.connections import Connection, Database
from resources.database.locks import LockKind, lock_shared
from resources.ledger.documents.documents import Version, read_version
from resources.ledger.documents.garbage_collection import RETAINED, superseded_count
from resources.ledger.documents.lineage import ERRORS

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

READY = """
SELECT v.plan_key IS NOT NULL AND v.stored_in IS NOT NULL AND v.awaited IS NULL
       AND NOT EXISTS (SELECT 1 FROM batches b WHERE b.document_id = v.document_id AND b.version = v.version
                                                 AND b.status <> 'completed') AS ready
  FROM versions v WHERE document_id = %(document)s AND version = %(version)s
"""

# `unswept`: a crash left a sweep undone.
AIMED_FROM = f"""
SELECT d.live_version, d.target_version,
       (SELECT max(version) FROM versions v WHERE v.document_id = d.document_id
           AND status IN ('pending', 'processing')) AS under_way,
       EXISTS (SELECT 1 FROM versions v WHERE v.document_id = d.document_id AND v.swept_at IS NULL
                  AND NOT ({RETAINED})) AS unswept
  FROM documents d WHERE document_id = %s AND removed_at IS NULL FOR UPDATE
"""  # noqa: S608 - constants of our own

# What is newer than the version gone back to was given up; what is older was overtaken, as ever. What came meanwhile
# (an upload, a retry) is what a person wanted last: it goes on.
GIVEN_UP = """
UPDATE versions
   SET status = CASE WHEN version > %(version)s AND status NOT IN ('pending', 'processing') THEN 'rolled_back'
                     WHEN status = 'rolled_back' THEN CASE WHEN result IS NULL THEN 'failed' ELSE 'completed' END
                     ELSE status END
 WHERE document_id = %(document)s
"""


# xmin is the transaction that wrote a row as it stands, so an equal sum means that no version went live or away in
# between, not even there and back.
STATE = """
SELECT coalesce(sum(hashtextextended(document_id, xmin::text::bigint)), 0) AS state FROM documents
 WHERE organization_id = %(organization)s AND live_version IS NOT NULL
   AND (%(document)s::text IS NULL OR document_id = %(document)s)
"""


class LiveVersions:
    def __init__(self, database: Database) -> None:
        self._database = database

    def make_live(self, version: Version, price_per_million_tokens: float | None) -> dict[str, Any]:
        """Flip the live version and write the result (B10), in one transaction; returns the result.

        Raises InvalidRequest for a version whose earlier steps are not done: going live empty would lose the live rows;
        Conflict where somebody has ended it (or has it tried again) since the step began.
        A version that is older than the live one is completed but not made live.
        """
        at = {"document": version.document_id, "version": version.version}
        with self._database.transaction() as connection:
            connection.execute("SELECT 1 FROM documents WHERE document_id = %(document)s FOR UPDATE", at)
            self._check_in_work(connection, version)
            ready = connection.execute(READY, at).fetchone()
            if not ready or not ready["ready"]:
                raise InvalidRequest(
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
            assert rows is not None  # an aggregate always answers
            assert paid is not None
            errors = connection.execute(ERRORS, at | {"beginning": ""}).fetchall() if rows["error_rows"] else []
            lock_shared(connection, LockKind.LIVE_VERSIONS, version.organization_id)
            connection.execute(
                "UPDATE documents SET live_version = %(version)s, target_version = NULL "
                "WHERE document_id = %(document)s AND coalesce(live_version, 0) <= %(version)s",
                at,
            )
            gone = superseded_count(connection, version.document_id) if version.version > 1 else 0
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

    def _check_in_work(self, connection: Connection, version: Version) -> None:
        row = connection.execute(
            "SELECT status, run_id, error FROM versions WHERE document_id = %s AND version = %s FOR UPDATE",
            (version.document_id, version.version),
        ).fetchone()
        if row and (row["status"], row["run_id"]) != (version.status, version.run_id):
            why = f": {row['error']}" if row["error"] else ""
            raise Conflict(
                f"Version {version.version} of {version.document_id} is {row['status']} by now "
                f"and is not made live{why}"
            )

    # -- searching meanwhile ----------------------------------------------------------------------------------

    def fingerprint(self, organization_id: str, document_id: str | None = None) -> int:
        """A number that tells which versions of the organization (or of one document) are live: equal before and after
        means that all the while the same ones were."""
        with self._database.statement() as connection:
            row = connection.execute(STATE, {"organization": organization_id, "document": document_id}).fetchone()
        assert row is not None  # an aggregate always answers
        return int(row["state"])

    @contextmanager
    def block_flips(self, organization_id: str) -> Iterator[None]:
        """Held by a search that was disturbed too often: no version goes live or away meanwhile."""
        with self._database.lock(LockKind.LIVE_VERSIONS, organization_id):
            yield

    # -- going back -------------------------------------------------------------------------------------------

    def set_rollback_target(self, document_id: str, number: int) -> Version:
        """Say that the document is to go back (or forth again) to a version; from now on its vectors are owed.

        Raises NotFound for a version that is unknown or was never completed, Conflict where it is live already, or
        while another one is being processed.
        """
        with self._database.transaction() as connection:
            version = self._aimable(connection, document_id, number)
            # What it brings into the store is swept, should nobody end this. What was not owed may have been deleted by
            # anybody: it is not known to be stored any more.
            connection.execute(
                "UPDATE versions v SET swept_at = NULL, "  # noqa: S608 - a constant of our own
                f"stored_in = CASE WHEN {RETAINED} THEN stored_in END, awaited = CASE WHEN {RETAINED} THEN awaited END "
                "FROM documents d WHERE d.document_id = v.document_id AND v.document_id = %s AND v.version = %s",
                (document_id, number),
            )
            connection.execute("UPDATE documents SET target_version = %s WHERE document_id = %s", (number, document_id))
            return version

    def check_rollback(self, document_id: str, number: int) -> None:
        """Raises what `aim` would raise now, and does nothing."""
        with self._database.transaction() as connection:
            self._aimable(connection, document_id, number)

    def _aimable(self, connection: Connection, document_id: str, number: int) -> Version:
        document = connection.execute(AIMED_FROM, (document_id,)).fetchone()
        if document is None:
            raise NotFound(f"There is no document {document_id}; `rowline documents` lists them")
        version = self._target(connection, document_id, number)
        if document["under_way"] is not None:
            raise Conflict(
                f"Version {document['under_way']} of {document_id} is being processed; wait until it has ended"
            )
        if document["live_version"] == number and not document["unswept"] and document["target_version"] is None:
            raise Conflict(f"Version {number} of {document_id} is live already; there is nothing to go back to")
        return version

    def _target(self, connection: Connection, document_id: str, number: int) -> Version:
        known = connection.execute(
            "SELECT version FROM versions WHERE document_id = %s AND status IN ('completed', 'rolled_back') "
            "AND result IS NOT NULL AND forgotten_at IS NULL ORDER BY version",
            (document_id,),
        ).fetchall()
        numbers = [row["version"] for row in known]
        if number not in numbers:
            told = ", ".join(map(str, numbers)) or "none"
            raise NotFound(f"Document {document_id} has no completed version {number}; completed and kept: {told}")
        return read_version(connection, document_id, number)

    def switch(self, version: Version) -> None:
        """Flip to the version that was aimed at; newer ones are `rolled_back` from now on (B12)."""
        at = {"document": version.document_id, "version": version.version}
        with self._database.transaction() as connection:
            lock_shared(connection, LockKind.LIVE_VERSIONS, version.organization_id)
            flipped = connection.execute(
                "UPDATE documents SET live_version = target_version, target_version = NULL "
                "WHERE document_id = %(document)s AND target_version = %(version)s",
                at,
            ).rowcount
            if not flipped:
                raise Conflict(f"Version {version.version} of {version.document_id} is no longer what was aimed at")
            connection.execute(GIVEN_UP, at)
