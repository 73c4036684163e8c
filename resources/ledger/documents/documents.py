"""Documents and their versions: which run works on them, how they end, and how they are read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from domain.errors import Conflict, ErrorCode, InvalidRequest, NotFound, PermanentError
from resources.database.connections import Connection, Database
from resources.database.listen import NotifyChannel, notify, wait_for_notify
from resources.database.locks import LockKind
from resources.ledger.documents.versions import Version as Version  # noqa: PLC0414 - users of `Documents` take it from here
from resources.ledger.documents.versions import version_row

MAX_LISTED_ERRORS = 100  # error rows of a document that are listed one by one; all are counted


# Returns the current version: what was rolled back is history, unless there is nothing else.
CURRENT = """
(SELECT version FROM versions c WHERE c.document_id = d.document_id
  ORDER BY c.status = 'rolled_back', c.version DESC LIMIT 1)
"""

# Returns a row per version, for `version_row`.
VERSION = """
SELECT v.document_id, v.version, d.organization_id, v.filename, v.object_key, v.byte_size, v.sha256, v.mode,
       v.template AS template_json, v.model, v.dimension, v.status, v.attempt, v.base_version, d.live_version,
       v.plan_key, v.result, v.uploaded_at, v.deferred, v.waiting_reason, v.run_id, v.started_at, v.completed_at,
       d.removal_requested_at IS NOT NULL AS removed,
       CASE WHEN d.removal_requested_at IS NULL THEN v.error
            ELSE 'This document is being removed; `rowline cleanup` again ends it' END AS error
  FROM versions v JOIN documents d USING (document_id)
"""

# Returns a row per batch. However many rows are wrong, it stays small: `before` counts the error rows of the batches
# before this one.
BATCHES = """
SELECT batch_number AS "batchNumber", total_batches AS "totalBatches", start_row AS "startRow", end_row AS "endRow",
       status, processed_rows AS "processedRows", vectors_created AS "vectorsCreated",
       CASE WHEN before >= %(errors)s THEN '[]'::jsonb
            ELSE jsonb_path_query_array(errors, '$[0 to $last]', jsonb_build_object('last', %(errors)s - before - 1))
            END AS errors,
       error_rows AS "errorRows", rows, tokens, economy_tokens AS "economyTokens",
       embedded_inputs AS "embeddedInputs", started_at AS "startedAt", completed_at AS "completedAt"
  FROM (SELECT counted.*, sum(error_rows) OVER (ORDER BY batch_number)::int - error_rows AS before
          FROM (SELECT b.*, jsonb_array_length(errors) AS error_rows FROM batches b
                 WHERE document_id = %(document)s AND version = %(version)s) counted) summed
 ORDER BY batch_number
"""


THERE = "SELECT 1 FROM documents WHERE document_id = %s AND removal_requested_at IS NULL"


class Documents:
    def __init__(self, database: Database) -> None:
        self._database = database

    # -- waiting for a run ------------------------------------------------------------------------------------

    def pending(self, limit: int = 500) -> list[Version]:
        """Pending versions for which no run was requested yet, oldest first."""
        with self._database.statement() as connection, connection.cursor(row_factory=version_row) as cursor:
            return cursor.execute(
                VERSION + "WHERE v.status = 'pending' AND v.requested_at IS NULL "
                "AND v.version = d.latest_version ORDER BY v.uploaded_at LIMIT %s",
                (limit,),
            ).fetchall()

    def mark_requested(self, runs: Sequence[tuple[str, int, int]]) -> None:
        """Record, for each (document, version, attempt), that Dagster has accepted its run request."""
        with self._database.transaction() as connection, connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE versions SET requested_at = now() WHERE document_id = %s AND version = %s AND attempt = %s",
                runs,
            )

    def wait_for_upload(self, seconds: float, poll_interval: float = 2.0) -> None:
        """Return when an upload may wait for its run, at the latest after `seconds` (`wait_for_notify`)."""
        wait_for_notify(self._database, NotifyChannel.UPLOADS, lambda: bool(self.pending(1)), seconds, poll_interval)

    # -- being worked on --------------------------------------------------------------------------------------

    @contextmanager
    def claim(self, document_id: str) -> Iterator[None]:
        """One worker at a time on a document; the lock ends with the process at the latest."""
        with self._database.lock(LockKind.DOCUMENT_WORK, document_id):
            yield

    def is_claimed(self, document_id: str) -> bool:
        """Whether a worker holds the document now: the heartbeat of its run, which ends with its process."""
        return self._database.is_locked(LockKind.DOCUMENT_WORK, document_id)

    def running(self, limit: int) -> dict[str, str]:
        """Run → document of the versions in work that wait for no service, the longest under way first."""
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT run_id, document_id FROM versions WHERE status = 'processing' AND waiting_reason IS NULL "
                "AND run_id IS NOT NULL ORDER BY started_at LIMIT %s",
                (limit,),
            ).fetchall()
        return {row["run_id"]: row["document_id"] for row in rows}

    def start(self, document_id: str, run_id: str) -> Version:
        """The version that this run works on: the one it started with, else the current one.

        Older versions that still wait fail as overtaken. Raises NotFound for an unknown document.
        """
        with self._database.transaction() as connection:
            bound = self._bound(connection, document_id, run_id)
            if bound:
                return bound
            current = connection.execute(
                f"SELECT {CURRENT} AS version FROM documents d WHERE document_id = %s "  # noqa: S608
                "AND removal_requested_at IS NULL FOR UPDATE",
                (document_id,),
            ).fetchone()
            if current is None:
                raise NotFound(f"There is no document {document_id} in the ledger; upload it first")
            if current["version"] > 1:
                overtaken = f"Version {current['version']} was uploaded before this one was processed"
                _fail(connection, overtaken, document_id, before=current["version"])
            connection.execute(
                "UPDATE versions v SET run_id = %(run)s, error = NULL, waiting_reason = NULL, "
                "started_at = coalesce(started_at, now()), requested_at = coalesce(requested_at, now()), "
                "base_version = CASE WHEN plan_key IS NULL THEN "
                "(SELECT nullif(live_version, v.version) FROM documents d WHERE d.document_id = v.document_id) "
                "ELSE base_version END, "
                "status = CASE WHEN status = 'completed' THEN status ELSE 'processing' END "
                "WHERE document_id = %(document)s AND version = %(version)s",
                {"run": run_id, "document": document_id, "version": current["version"]},
            )
            return read_version(connection, document_id, current["version"])

    def resume(self, document_id: str, run_id: str) -> Version:
        """The version that a later step works on: the one its run started with, else the newest one ever started.

        Raises InvalidRequest if none was, PermanentError if the run's version has failed: overtaken, or cancelled.
        """
        with self._database.transaction() as connection:
            bound = self._bound(connection, document_id, run_id)
        return bound or self.current_for_run(document_id, run_id)

    def current_for_run(self, document_id: str, run_id: str) -> Version:
        """The version that a run started with, else the newest one ever started. Raises InvalidRequest if none was."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT version FROM versions WHERE document_id = %(document)s "
                "AND (run_id = %(run)s OR started_at IS NOT NULL) "
                "ORDER BY run_id IS NOT DISTINCT FROM %(run)s DESC, status = 'rolled_back', version DESC LIMIT 1",
                {"document": document_id, "run": run_id},
            ).fetchone()
            if row is None and not connection.execute(THERE, (document_id,)).fetchone():
                raise NotFound(f"Document {document_id} was removed; nothing of it is left to be worked on")
            if row is None:
                raise InvalidRequest(
                    f"Document {document_id} was never processed; materialize the whole group `documents`"
                )
            return read_version(connection, document_id, row["version"])

    def _bound(self, connection: Connection, document_id: str, run_id: str) -> Version | None:
        """The version that the run started with. Raises PermanentError if that was overtaken, or cancelled."""
        row = connection.execute(
            "SELECT version, status, error FROM versions WHERE document_id = %s AND run_id = %s", (document_id, run_id)
        ).fetchone()
        if row and row["status"] == "failed":
            raise PermanentError(row["error"], code=ErrorCode.VERSION_FAILED)
        return read_version(connection, document_id, row["version"]) if row else None

    def fail(self, document_id: str, version: int | None, reason: str, run_id: str | None = None) -> None:
        """Write why a version failed. A version that is live and complete stays so.

        With `run_id`, only the version that this run works on is touched.
        """
        with self._database.transaction() as connection:
            _fail(connection, reason, document_id, version=version, run=run_id)

    def fail_unstarted(self, document_id: str, version: int, attempt: int, reason: str) -> None:
        """Write why an attempt failed whose run ended before its first step, so that nobody waits for ever."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE versions SET status = 'failed', error = %s, completed_at = now() WHERE document_id = %s "
                "AND version = %s AND attempt = %s AND status = 'pending' AND run_id IS NULL",
                (reason, document_id, version, attempt),
            )

    def retry(self, document_id: str) -> Version:
        """Put a failed document back into the queue; finished batches stay finished.

        Raises Conflict if the newest version has not failed, NotFound for an unknown document.
        """
        with self._database.transaction() as connection:
            # locked: a rollback, which would write the version off, comes before or after
            connection.execute(f"{THERE} FOR UPDATE", (document_id,))
            version = self._current(connection, document_id)
            if version.removed:
                raise Conflict(f"Document {document_id} is being removed; `rowline cleanup {document_id}` ends it")
            if version.status != "failed":
                raise Conflict(f"Document {document_id} is {version.status}; only a failed one can be tried again")
            connection.execute(
                "UPDATE versions SET status = 'pending', error = NULL, requested_at = NULL, run_id = NULL, "
                "attempt = attempt + 1 WHERE document_id = %s AND version = %s",
                (document_id, version.version),
            )
            notify(connection, NotifyChannel.UPLOADS, document_id)
            return read_version(connection, document_id, version.version)

    # -- reading ----------------------------------------------------------------------------------------------

    def own_id(self, organization_id: str, name: str) -> str:
        """The id of the organization's document with this id, or with this external id.

        Raises NotFound, for a document of another organization too.
        """
        with self._database.statement() as connection:
            row = own_id(connection, organization_id, name)
        if row is None:
            raise NotFound(f"Organization {organization_id} has no document {name}")
        return row

    def latest(self, document_id: str) -> Version:
        """The newest version of a document that was not rolled back. Raises NotFound if there is none."""
        with self._database.transaction() as connection:
            return self._current(connection, document_id)

    def _current(self, connection: Connection, document_id: str) -> Version:
        row = connection.execute(
            f"SELECT {CURRENT} AS version FROM documents d WHERE document_id = %s",  # noqa: S608
            (document_id,),
        ).fetchone()
        if row is None:
            raise NotFound(f"There is no document {document_id}; `rowline documents` lists them")
        return read_version(connection, document_id, row["version"])

    def get(self, document_id: str, version: int) -> Version:
        """One version of a document. Raises NotFound if it does not exist."""
        with self._database.statement() as connection:
            return read_version(connection, document_id, version)

    def list_all(self, organization_id: str | None = None, limit: int = 1000) -> list[Version]:
        """The current version of each document, newest document first."""
        with self._database.statement() as connection, connection.cursor(row_factory=version_row) as cursor:
            return cursor.execute(
                VERSION + f"WHERE v.version = {CURRENT} "
                "AND (%(organization)s::text IS NULL OR d.organization_id = %(organization)s) "
                "ORDER BY v.document_id DESC LIMIT %(limit)s",
                {"organization": organization_id, "limit": limit},
            ).fetchall()

    def batches(self, document_id: str, version: int) -> list[dict[str, Any]]:
        """The batches of a version, in order. Each counts its error rows; the first 100 of the document are listed."""
        with self._database.statement() as connection:
            return connection.execute(
                BATCHES, {"document": document_id, "version": version, "errors": MAX_LISTED_ERRORS}
            ).fetchall()


# Fails versions that wait or are processed, with the filters that are given; returns which.
FAIL = """
UPDATE versions SET status = 'failed', error = %(reason)s, completed_at = now(), waiting_reason = NULL
 WHERE document_id = %(document)s AND status IN ('pending', 'processing')
   AND (%(version)s::int IS NULL OR version = %(version)s) AND (%(before)s::int IS NULL OR version < %(before)s)
   AND (%(run)s::text IS NULL OR run_id = %(run)s)
RETURNING version
"""


def _fail(
    connection: Connection,
    reason: str,
    document_id: str,
    *,
    version: int | None = None,
    before: int | None = None,
    run: str | None = None,
) -> None:
    """Fail the versions that wait or are processed, with their batches that are processed."""
    params = {"reason": reason, "document": document_id, "version": version, "before": before, "run": run}
    connection.execute(
        f"WITH failed AS ({FAIL}) UPDATE batches b SET status = 'failed', completed_at = now() "  # noqa: S608
        "FROM failed WHERE b.document_id = %(document)s AND b.version = failed.version AND b.status = 'processing'",
        params,
    )


def read_version(connection: Connection, document_id: str, version: int) -> Version:
    with connection.cursor(row_factory=version_row) as cursor:
        row = cursor.execute(VERSION + "WHERE v.document_id = %s AND v.version = %s", (document_id, version)).fetchone()
    if row is None:
        raise NotFound(f"Document {document_id} has no version {version}")
    return row


# Returns our id of a document that is named by our id or by its external id.
OWN_ID = """
SELECT coalesce(
    (SELECT document_id FROM documents
      WHERE document_id = %(name)s AND organization_id = %(organization)s AND removal_requested_at IS NULL),
    (SELECT document_id FROM documents
      WHERE external_id = %(name)s AND organization_id = %(organization)s AND removal_requested_at IS NULL)) AS
             document_id
"""


def own_id(connection: Connection, organization_id: str, name: str) -> str | None:
    row = connection.execute(OWN_ID, {"organization": organization_id, "name": name}).fetchone()
    return row["document_id"] if row else None
