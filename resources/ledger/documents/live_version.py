"""Which version of a document is live: the flip forward, and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg.types.json import Jsonb

from domain.documents.costs import cost_usd
from domain.errors import Conflict, InvalidRequest, NotFound
from resources.database.connections import Connection, Database
from resources.database.locks import LockKind, lock_shared
from resources.ledger.documents.documents import read_version
from resources.ledger.documents.garbage_collection import RETAINED, superseded_count
from resources.ledger.documents.lineage import ERRORS
from resources.ledger.documents.versions import Version

# One row: the version's rows, counted by what became of them.
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

# One row: whether every step before this one is done.
READY = """
SELECT v.plan_key IS NOT NULL AND v.indexed_in_store IS NOT NULL AND v.pending_positions IS NULL
       AND NOT EXISTS (SELECT 1 FROM batches b WHERE b.document_id = v.document_id AND b.version = v.version
                                                 AND b.status <> 'completed') AS ready
  FROM versions v WHERE document_id = %(document)s AND version = %(version)s
"""

# Locks the document; returns what a rollback starts from. `unswept`: a crash left a garbage collection undone.
ROLLBACK_START = f"""
SELECT d.live_version, d.target_version,
       (SELECT max(version) FROM versions v WHERE v.document_id = d.document_id
           AND status IN ('pending', 'processing')) AS under_way,
       EXISTS (SELECT 1 FROM versions v WHERE v.document_id = d.document_id AND v.collected_at IS NULL
                  AND NOT ({RETAINED})) AS unswept
  FROM documents d WHERE document_id = %s AND removal_requested_at IS NULL FOR UPDATE
"""  # noqa: S608 - constants of our own

# Versions newer than the one gone back to become `rolled_back`; older ones stay as they were. What came meanwhile (an
# upload, a retry) is what a person wanted last: it is processed all the same.
WRITE_OFF_NEWER = """
UPDATE versions
   SET status = CASE WHEN version > %(version)s AND status NOT IN ('pending', 'processing') THEN 'rolled_back'
                     WHEN status = 'rolled_back' THEN CASE WHEN result IS NULL THEN 'failed' ELSE 'completed' END
                     ELSE status END
 WHERE document_id = %(document)s
"""


# xmin is the transaction that wrote a row as it stands, so an equal sum means that no version went live or away in
# between, not even there and back.
FINGERPRINT = """
SELECT coalesce(sum(hashtextextended(document_id, xmin::text::bigint)), 0) AS state FROM documents
 WHERE organization_id = %(organization)s AND live_version IS NOT NULL
   AND (%(document)s::text IS NULL OR document_id = %(document)s)
"""

# One row: what the batches of a version have paid for.
PAID = """
SELECT coalesce(sum(embedded_inputs), 0)::bigint AS inputs, coalesce(sum(tokens), 0)::bigint AS tokens,
       coalesce(sum(economy_tokens), 0)::bigint AS economy_tokens
  FROM batches WHERE document_id = %(document)s AND version = %(version)s
"""

# Locks the document: a rollback, a removal or a retry comes before or after.
LOCK_DOCUMENT = "SELECT 1 FROM documents WHERE document_id = %(document)s FOR UPDATE"

# Locks the version; returns what it has become since the step read it.
LOCK_VERSION = """
SELECT status, run_id, error FROM versions WHERE document_id = %(document)s AND version = %(version)s FOR UPDATE
"""

# Makes the version live, unless a newer one is.
FLIP = """
UPDATE documents SET live_version = %(version)s, target_version = NULL
 WHERE document_id = %(document)s AND coalesce(live_version, 0) <= %(version)s
"""

# Completes the version; returns its result, which is the first one that was ever written.
COMPLETE = """
UPDATE versions SET status = 'completed', error = NULL, completed_at = clock_timestamp(),
       result = coalesce(result, %(result)s::jsonb || jsonb_build_object('processingTimeMs',
                                     (extract(epoch FROM clock_timestamp() - started_at) * 1000)::bigint))
 WHERE document_id = %(document)s AND version = %(version)s RETURNING result
"""


class LiveVersions:
    def __init__(self, database: Database) -> None:
        self._database = database

    def make_live(self, version: Version, price_per_million_tokens: float | None) -> dict[str, Any]:
        """Make the version live and write its result, in one transaction; returns the result.

        A version that is older than the live one is completed but not made live.
        Raises InvalidRequest if an earlier step is not done: going live empty would lose the live rows; Conflict if
        the version was ended (or put back into the queue) since the step began.
        """
        params = _params(version)
        with self._database.transaction() as connection:
            connection.execute(LOCK_DOCUMENT, params)
            _check_still_ours(connection, version)
            _check_ready(connection, version)
            rows, paid, errors = _count(connection, version)
            lock_shared(connection, LockKind.LIVE_VERSIONS, version.organization_id)
            connection.execute(FLIP, params)
            deleted = superseded_count(connection, version.document_id) if version.version > 1 else 0
            result = _result_json(rows, paid, errors, deleted, price_per_million_tokens)
            completed = connection.execute(COMPLETE, params | {"result": Jsonb(result)}).fetchone()
            assert completed is not None  # the version exists: a run holds it
            return dict(completed["result"])

    # -- searching meanwhile ----------------------------------------------------------------------------------

    def fingerprint(self, organization_id: str, document_id: str | None = None) -> int:
        """A number for the set of versions of the organization (or of one document) that are live: if it is equal
        before and after, the same ones were live all the while."""
        with self._database.statement() as connection:
            row = connection.execute(FINGERPRINT, {"organization": organization_id, "document": document_id}).fetchone()
        assert row is not None  # an aggregate always returns a row
        return int(row["state"])

    @contextmanager
    def block_flips(self, organization_id: str) -> Iterator[None]:
        """For a search that was disturbed too often: no version goes live, or stops being live, during the block."""
        with self._database.lock(LockKind.LIVE_VERSIONS, organization_id):
            yield

    # -- going back -------------------------------------------------------------------------------------------

    def set_rollback_target(self, document_id: str, to_version: int) -> Version:
        """Record that the document is to go back (or forth again) to a version; from now on its vectors are retained.

        Raises NotFound if the version is unknown or was never completed, Conflict if it is live already or another
        version is being processed.
        """
        with self._database.transaction() as connection:
            version = _check_target(connection, document_id, to_version)
            # What it brings into the store is collected if nobody ends this rollback. Vectors that were not retained
            # may have been deleted by anybody: whether they are stored is unknown.
            connection.execute(
                "UPDATE versions v SET collected_at = NULL, "  # noqa: S608 - a constant of our own
                f"indexed_in_store = CASE WHEN {RETAINED} THEN indexed_in_store END, "
                f"pending_positions = CASE WHEN {RETAINED} THEN pending_positions END "
                "FROM documents d WHERE d.document_id = v.document_id AND v.document_id = %s AND v.version = %s",
                (document_id, to_version),
            )
            connection.execute(
                "UPDATE documents SET target_version = %s WHERE document_id = %s", (to_version, document_id)
            )
            return version

    def check_rollback(self, document_id: str, to_version: int) -> None:
        """Raises what `set_rollback_target` would raise now, and changes nothing."""
        with self._database.transaction() as connection:
            _check_target(connection, document_id, to_version)

    def switch(self, version: Version) -> None:
        """Make the rollback target live; newer versions become `rolled_back`. Raises Conflict if the target changed."""
        params = _params(version)
        with self._database.transaction() as connection:
            lock_shared(connection, LockKind.LIVE_VERSIONS, version.organization_id)
            flipped = connection.execute(
                "UPDATE documents SET live_version = target_version, target_version = NULL "
                "WHERE document_id = %(document)s AND target_version = %(version)s",
                params,
            ).rowcount
            if not flipped:
                raise Conflict(
                    f"Version {version.version} of {version.document_id} is no longer the target of the rollback"
                )
            connection.execute(WRITE_OFF_NEWER, params)


def _params(version: Version) -> dict[str, Any]:
    return {"document": version.document_id, "version": version.version}


def _check_still_ours(connection: Connection, version: Version) -> None:
    row = connection.execute(LOCK_VERSION, _params(version)).fetchone()
    if row and (row["status"], row["run_id"]) != (version.status, version.state.run_id):
        why = f": {row['error']}" if row["error"] else ""
        raise Conflict(
            f"Version {version.version} of {version.document_id} is {row['status']} by now and is not made live{why}"
        )


def _check_ready(connection: Connection, version: Version) -> None:
    row = connection.execute(READY, _params(version)).fetchone()
    if not row or not row["ready"]:
        raise InvalidRequest(
            f"Version {version.version} of {version.document_id} is not ready to go live: its batches are not "
            "complete or its vectors not stored; materialize the whole group `documents`"
        )


def _count(connection: Connection, version: Version) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """(counts of rows by what became of them, what was paid for, the first error rows) of the version."""
    params = _params(version)
    rows = connection.execute(RESULT, params).fetchone()
    paid = connection.execute(PAID, params).fetchone()
    assert rows is not None  # an aggregate always returns a row
    assert paid is not None
    errors = connection.execute(ERRORS, params | {"code": None}).fetchall() if rows["error_rows"] else []
    return rows, paid, errors


def _result_json(
    rows: dict[str, Any], paid: dict[str, Any], errors: list[dict[str, Any]], deleted: int, price: float | None
) -> dict[str, Any]:
    """The result of a version as it is stored and shown; its `processingTimeMs` is added as it is stored."""
    return {
        "totalRows": rows["total_rows"],
        "processedRows": rows["processed_rows"],
        "skippedRows": rows["duplicate_rows"],
        "errorRows": rows["error_rows"],
        "unchangedRows": rows["unchanged_rows"],
        "duplicateRows": rows["duplicate_rows"],
        "vectorsCreated": rows["vectors_created"],
        "vectorsDeleted": deleted,
        "namespacesUpdated": rows["namespaces_updated"],
        "embeddedInputs": paid["inputs"],
        "tokens": paid["tokens"],
        "errors": errors,
        "costUsd": cost_usd(paid["tokens"], price, paid["economy_tokens"]),
    }


def _check_target(connection: Connection, document_id: str, to_version: int) -> Version:
    """The version that the document may go back to now; the document is locked."""
    document = connection.execute(ROLLBACK_START, (document_id,)).fetchone()
    if document is None:
        raise NotFound(f"There is no document {document_id}; `rowline documents` lists them")
    version = _completed(connection, document_id, to_version)
    if document["under_way"] is not None:
        raise Conflict(f"Version {document['under_way']} of {document_id} is being processed; wait until it has ended")
    if document["live_version"] == to_version and not document["unswept"] and document["target_version"] is None:
        raise Conflict(f"Version {to_version} of {document_id} is live already; there is nothing to go back to")
    return version


def _completed(connection: Connection, document_id: str, to_version: int) -> Version:
    rows = connection.execute(
        "SELECT version FROM versions WHERE document_id = %s AND status IN ('completed', 'rolled_back') "
        "AND result IS NOT NULL AND purged_at IS NULL ORDER BY version",
        (document_id,),
    ).fetchall()
    completed = [row["version"] for row in rows]
    if to_version not in completed:
        names = ", ".join(map(str, completed)) or "none"
        raise NotFound(f"Document {document_id} has no completed version {to_version}; completed and kept: {names}")
    return read_version(connection, document_id, to_version)
