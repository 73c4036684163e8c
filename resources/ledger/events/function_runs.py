"""Function runs: what events start, what was done for each, and how it ended. The queue is their state (ADR 0015)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg.rows import class_row

from domain.errors import Conflict
from domain.events.parsing import kept_data
from domain.notifications.messages import NewNotification
from resources.database.connections import Connection, Database
from resources.database.listen import NotifyChannel, notify, wait_for_notify
from resources.ledger.documents.documents import CURRENT
from resources.ledger.documents.uploads import Continued, Upload, record
from resources.ledger.documents.versions import UploadResult
from resources.ledger.notifications.outbox import enqueue

BATCH_BYTES = 16 * 2**20  # of one function, contents that are read at once; the rest waits for the next poll

# Runs that may start now. A run waits until the runs of its subject before it have ended, or follow a version: else an
# older file could become the newer version, or a clean-up delete a later upload. A run that waits for its own time
# holds up no other.
STARTABLE = """
  FROM unnest(%(functions)s::text[], %(limits)s::int[]) AS f (name, most) CROSS JOIN LATERAL (
    SELECT r.run_id, r.organization_id, r.event_id, r.function, r.ordering_key, r.attempts, r.due_at, r.sequence
      FROM function_runs r
     WHERE r.state = 'waiting' AND r.function = f.name AND r.due_at <= now() AND NOT EXISTS (
           SELECT 1 FROM function_runs b
            WHERE b.organization_id = r.organization_id AND b.ordering_key = r.ordering_key
              AND b.state IN ('waiting', 'submitting', 'requested')
              AND (b.state <> 'waiting' OR (b.sequence < r.sequence AND (b.due_at <= now() OR b.attempts > 0))))
     ORDER BY r.due_at, r.sequence LIMIT f.most) due
"""
# Returns runs that may start now, as many as fit into memory: an event may have 3 MiB. The size of a content is known
# without reading it.
DUE = f"""
SELECT run_id, organization_id, event_id, function, ordering_key, attempts, content FROM (
    SELECT due.*, e.content, octet_length(e.content) AS size,
           sum(octet_length(e.content)) OVER (PARTITION BY function ORDER BY due_at, sequence) AS together
      {STARTABLE} JOIN events e USING (organization_id, event_id)) sized
 WHERE together - size < %(bytes)s ORDER BY due_at, sequence
"""  # noqa: S608 - a constant of our own
# Returns runs whose job is to be requested, as many as fit into memory.
REQUESTING = """
SELECT run_id, function, document_id, content FROM (
    SELECT r.run_id, r.function, r.document_id, r.sequence, e.content, octet_length(e.content) AS size,
           sum(octet_length(e.content)) OVER (ORDER BY r.sequence) AS together
      FROM function_runs r JOIN events e USING (organization_id, event_id) WHERE r.state = 'submitting'
     ORDER BY r.sequence LIMIT %(limit)s) sized
 WHERE together - size < %(bytes)s ORDER BY sequence
"""
WAITING = "SELECT run_id FROM function_runs WHERE run_id = ANY(%s) AND state = 'waiting' ORDER BY run_id FOR UPDATE"
# Locks, in one order, and returns the current version of each run's document.
NEWEST = f"""
SELECT a.run_id, d.document_id, v.version, v.status
  FROM unnest(%(runs)s::text[], %(documents)s::text[]) AS a (run_id, document_id)
  JOIN documents d ON d.document_id = a.document_id
  JOIN versions v ON v.document_id = d.document_id AND v.version = {CURRENT}
 ORDER BY d.document_id, a.run_id FOR UPDATE OF v
"""  # noqa: S608 - a constant of our own
# Puts failed versions back into the queue.
RETRY = """
UPDATE versions v SET status = 'pending', error = NULL, requested_at = NULL, run_id = NULL, attempt = attempt + 1
  FROM (SELECT DISTINCT * FROM unnest(%(documents)s::text[], %(versions)s::int[]) AS a (document_id, version)) a
 WHERE v.document_id = a.document_id AND v.version = a.version AND v.status = 'failed'
"""
# Returns each run's document: by our id if the event named it so, else by the external id. One whose removal was
# requested is returned only if nothing else has the name.
NAMED = """
SELECT r.run_id, (SELECT d.document_id FROM documents d WHERE d.organization_id = r.organization_id
                     AND (d.document_id = coalesce(r.document_id, r.ordering_key)
                          OR (r.document_id IS NULL AND d.external_id = r.ordering_key))
                     AND (d.removal_requested_at IS NULL OR %(removed)s)
                   ORDER BY d.removal_requested_at IS NOT NULL, d.document_id <> r.ordering_key LIMIT 1) AS document_id
  FROM function_runs r WHERE r.run_id = ANY(%(runs)s)
"""
# Completes runs whose notification is in the outbox.
COMPLETE_NOTIFIED = """
UPDATE function_runs r SET state = 'completed', error = NULL, started_at = coalesce(r.started_at, now()), ended_at =
       now(),
       output = json_build_object('notificationId', n.notification_id, 'noticeId', n.notification_id)::text
  FROM notifications n WHERE r.run_id = ANY(%s) AND n.organization_id = r.organization_id AND n.key = r.run_id
"""
# Ends runs whose version has ended, with its result or error.
FINISH = """
UPDATE function_runs r
   SET state = CASE WHEN v.status IN ('completed', 'rolled_back') THEN 'completed' WHEN v.status = 'failed'
                    THEN 'failed' ELSE 'cancelled' END,
       output = CASE WHEN v.result IS NULL THEN r.output
                     ELSE (coalesce(r.output, '{}')::jsonb || jsonb_build_object('result', v.result))::text END,
       error = CASE WHEN v.status IS NULL THEN 'The document was removed' ELSE v.error END,
       dagster_run_id = v.run_id, ended_at = coalesce(v.completed_at, now())
  FROM function_runs f LEFT JOIN versions v ON v.document_id = f.document_id AND v.version = f.version
 WHERE r.run_id = f.run_id AND f.state = 'attached'
   AND (v.status IS NULL OR v.status IN ('completed', 'rolled_back', 'failed'))
"""
# Events older than some days of which no run is under way.
OLD = """
  FROM events e WHERE received_at < now() - make_interval(days => %s) AND NOT EXISTS (
       SELECT 1 FROM function_runs r WHERE r.organization_id = e.organization_id AND r.event_id = e.event_id
          AND r.state NOT IN ('completed', 'failed', 'cancelled'))
"""


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run that may start now, with its event."""

    run_id: str
    organization_id: str
    event_id: str
    function: str
    ordering_key: str | None
    attempts: int
    content: str

    @property
    def data(self) -> Mapping[str, Any]:
        return kept_data(self.content)


@dataclass(frozen=True, slots=True)
class JobRun:
    """A run that a Dagster job does."""

    run_id: str
    function: str
    document_id: str | None
    content: str

    @property
    def data(self) -> Mapping[str, Any]:
        return kept_data(self.content)


@dataclass(frozen=True, slots=True)
class CancelledRun:
    """A run whose cancellation was requested, with the version that it follows, if any.

    `only_follows`: the event had no effect, so the version is not cancelled with it.
    """

    run_id: str
    state: str
    document_id: str | None
    version: int | None
    dagster_run_id: str | None
    requested: bool | None
    only_follows: bool


class FunctionRuns:
    def __init__(self, database: Database) -> None:
        self._database = database

    # -- waiting ----------------------------------------------------------------------------------------------

    def list_due(self, most: Mapping[str, int]) -> list[DueRun]:
        """Of each function, at most so many runs that may start now, the longest due first, and no more than fit."""
        params = {"functions": list(most), "limits": list(most.values()), "bytes": BATCH_BYTES}
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(DueRun)) as cursor:
            return cursor.execute(DUE, params).fetchall()

    def is_any_due(self, functions: Iterable[str]) -> bool:
        """Whether a run of one of them may start now."""
        names = list(functions)
        params = {"functions": names, "limits": [1] * len(names)}
        with self._database.transaction() as connection:
            return connection.execute(f"SELECT 1 {STARTABLE} LIMIT 1", params).fetchone() is not None

    def under_way(self) -> dict[str, int]:
        """Function → how many of its jobs were requested and have not ended."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT function, count(*) AS runs FROM function_runs WHERE state IN ('submitting', 'requested') "
                "GROUP BY function"
            ).fetchall()
        return {row["function"]: row["runs"] for row in rows}

    def wait_for_work(self, functions: Iterable[str], seconds: float, poll_interval: float = 2.0) -> None:
        """Return when a run of these functions may start or be cancelled, at the latest after `seconds`."""
        names = list(functions)

        def is_ready() -> bool:
            return self.is_any_due(names) or bool(self.to_cancel())

        wait_for_notify(self._database, NotifyChannel.EVENTS, is_ready, seconds, poll_interval)

    # -- attempts ---------------------------------------------------------------------------------------------

    def begin(self, run_ids: Sequence[str], again_after: timedelta) -> None:
        """Count an attempt before it is made, so that one that kills its process is counted too."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE function_runs SET attempts = attempts + 1, due_at = now() + %s, "
                "started_at = coalesce(started_at, now()) WHERE run_id = ANY(%s) AND state = 'waiting'",
                (again_after, list(run_ids)),
            )

    def reschedule(self, run_id: str, again_after: timedelta, reason: str) -> None:
        """Record why an attempt failed, and when the next one is made."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE function_runs SET error = %s, due_at = now() + %s WHERE run_id = %s AND state = 'waiting'",
                (reason, again_after, run_id),
            )

    def end(
        self, run_id: str, state: str, error: str | None = None, output: Any = None, dagster_run_id: str | None = None
    ) -> None:
        """End a run. One that has ended stays as it is."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE function_runs SET state = %s, error = %s, output = coalesce(%s, output), ended_at = now(), "
                "dagster_run_id = coalesce(%s, dagster_run_id) "
                "WHERE run_id = %s AND state IN ('waiting', 'submitting', 'requested', 'attached')",
                (state, error, None if output is None else json.dumps(output), dagster_run_id, run_id),
            )

    def queue(self, run_ids: Sequence[str]) -> None:
        """Put each run's document into the queue, and attach the run to its current version, in one transaction.

        A failed version is tried again; one that waits, is processed or is completed is left alone, and the run's
        output says so. A run whose document does not exist fails.
        """
        with self._database.transaction() as connection:
            documents = _documents(connection, run_ids)
            params = {"runs": list(documents), "documents": list(documents.values())}
            current = connection.execute(NEWEST, params).fetchall()
            failed = [row for row in current if row["status"] == "failed"]
            again = {"documents": [r["document_id"] for r in failed], "versions": [r["version"] for r in failed]}
            connection.execute(RETRY, again)
            for status in {row["status"] for row in current}:
                rows = [row for row in current if row["status"] == status]
                _attach_all(connection, rows, "tried again" if status == "failed" else f"none: it is {status}")
            if failed:
                notify(connection, NotifyChannel.UPLOADS)

    def enqueue_notifications(self, notifications: Mapping[str, NewNotification]) -> None:
        """Put the notifications of runs that still wait into the outbox and end these runs, in one transaction.

        A notification's key is its run's id. A run that was cancelled sends nothing.
        """
        with self._database.transaction() as connection:
            rows = connection.execute(WAITING, (list(notifications),)).fetchall()
            waiting = [row["run_id"] for row in rows]
            enqueue(connection, [notifications[run_id] for run_id in waiting])
            connection.execute(COMPLETE_NOTIFIED, (waiting,))

    def record_upload(self, run_id: str, upload: Upload, document: Continued) -> UploadResult:
        """Record the upload that an event requested; in the same transaction its run becomes the version's.

        Raises NotFound for a document of another organization, Conflict if the run waits no more.
        """
        with self._database.transaction() as connection:
            result = record(connection, upload, document)
            effect = "none: its bytes are known" if result.already_known else None
            attach_to_version(connection, run_id, result.version.document_id, result.version.version, effect)
            return result

    def bind_to_document(self, run_ids: Sequence[str], removed: bool = False) -> None:
        """Bind runs of jobs to their documents; from now on their jobs are requested until Dagster accepts one.

        `removed`: documents whose removal was requested count too. A run whose document does not exist fails.
        """
        with self._database.transaction() as connection:
            documents = _documents(connection, run_ids, removed)
            connection.execute(
                "UPDATE function_runs r SET state = 'submitting', document_id = a.document_id, error = NULL "
                "FROM unnest(%s::text[], %s::text[]) AS a (run_id, document_id) WHERE r.run_id = a.run_id",
                (list(documents), list(documents.values())),
            )

    def requesting(self, limit: int = 500) -> list[JobRun]:
        """Runs whose job Dagster has not accepted yet, as far as is known; no more of them than fit into memory."""
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(JobRun)) as cursor:
            return cursor.execute(REQUESTING, {"limit": limit, "bytes": BATCH_BYTES}).fetchall()

    def mark_requested(self, run_ids: Sequence[str]) -> None:
        """Record that Dagster has accepted the requests of these runs."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE function_runs SET state = 'requested', requested_at = now() "
                "WHERE run_id = ANY(%s) AND state = 'submitting'",
                (list(run_ids),),
            )

    def started(self, run_id: str, dagster_run_id: str) -> bool:
        """Record that the job of a run has started, and so was accepted; returns False if the run has ended before."""
        with self._database.transaction() as connection:
            updated = connection.execute(
                "UPDATE function_runs SET state = 'requested', dagster_run_id = %s, started_at = now(), "
                "requested_at = coalesce(requested_at, now()) "
                "WHERE run_id = %s AND state IN ('submitting', 'requested')",
                (dagster_run_id, run_id),
            )
        return bool(updated.rowcount)

    # -- ends -------------------------------------------------------------------------------------------------

    def requested(self, limit: int = 1000) -> dict[str, timedelta]:
        """Run → how long ago its job was accepted, of the jobs that have not reported their end."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT run_id, clock_timestamp() - coalesce(requested_at, created_at) AS ago FROM function_runs "
                "WHERE state = 'requested' ORDER BY sequence LIMIT %s",
                (limit,),
            ).fetchall()
        return {row["run_id"]: row["ago"] for row in rows}

    def finish_from_versions(self) -> int:
        """End the runs whose version has ended; returns how many."""
        with self._database.transaction() as connection:
            return connection.execute(FINISH).rowcount

    def to_cancel(self) -> list[CancelledRun]:
        with (
            self._database.transaction() as connection,
            connection.cursor(row_factory=class_row(CancelledRun)) as cursor,
        ):
            return cursor.execute(
                "SELECT r.run_id, r.state, r.document_id, r.version, coalesce(r.dagster_run_id, v.run_id) AS "
                "dagster_run_id, v.requested_at IS NOT NULL AS requested, "
                "CASE WHEN r.state = 'attached' THEN coalesce(r.output::jsonb ->> 'effect' LIKE 'none:%', false) "
                "ELSE false END AS only_follows FROM function_runs r LEFT JOIN versions v "
                "ON v.document_id = r.document_id AND v.version = r.version "
                "WHERE r.state IN ('submitting', 'requested', 'attached') AND r.cancel_requested ORDER BY r.sequence "
                "LIMIT 100"
            ).fetchall()

    def forget(self, days: int, dry_run: bool = False) -> int:
        """Delete events older than so many days of which no run is under way; returns how many.

        Idempotency keys are deleted after two days."""
        with self._database.transaction() as connection:
            if dry_run:
                row = connection.execute(f"SELECT count(*) AS events {OLD}", (days,)).fetchone()
                return int(row["events"]) if row else 0
            connection.execute("DELETE FROM event_idempotency_keys WHERE received_at < now() - interval '2 days'")
            return connection.execute(f"DELETE {OLD}", (days,)).rowcount


def attach_to_version(
    connection: Connection, run_id: str, document_id: str, version: int, effect: str | None = None
) -> None:
    """From now on the run ends as the version does. Raises Conflict if the run waits no more."""
    updated = connection.execute(
        "UPDATE function_runs SET state = 'attached', document_id = %s, version = %s, output = %s, error = NULL "
        "WHERE run_id = %s AND state = 'waiting'",
        (document_id, version, effect and json.dumps({"effect": effect}), run_id),
    ).rowcount
    if not updated:
        raise Conflict(f"Run {run_id} waits no more: it was cancelled, or somebody else has done it")


def _documents(connection: Connection, run_ids: Sequence[str], removed: bool = False) -> dict[str, str | None]:
    """Run → its document, of those that still wait, locked; runs whose document does not exist fail."""
    waiting = [row["run_id"] for row in connection.execute(WAITING, (list(run_ids),)).fetchall()]
    rows = connection.execute(NAMED, {"runs": waiting, "removed": removed}).fetchall()
    by_run = {row["run_id"]: row["document_id"] for row in rows}
    connection.execute(
        "UPDATE function_runs SET state = 'failed', ended_at = now(), "
        "error = 'Organization ' || organization_id || ' has no document ' || coalesce(document_id, ordering_key) "
        "WHERE run_id = ANY(%s) AND ordering_key IS NOT NULL",
        ([run_id for run_id, document_id in by_run.items() if document_id is None],),
    )
    without_document = connection.execute(
        "SELECT run_id FROM function_runs WHERE run_id = ANY(%s) AND ordering_key IS NULL", (waiting,)
    ).fetchall()
    keep = {row["run_id"] for row in without_document}
    return {run_id: document_id for run_id, document_id in by_run.items() if document_id is not None or run_id in keep}


def _attach_all(connection: Connection, rows: Sequence[Mapping[str, Any]], effect: str) -> None:
    connection.execute(
        "UPDATE function_runs r SET state = 'attached', document_id = a.document_id, version = a.version, "
        "error = NULL, "
        "started_at = coalesce(r.started_at, now()), output = %(output)s "
        "FROM unnest(%(runs)s::text[], %(documents)s::text[], %(versions)s::int[]) AS a (run_id, document_id, version) "
        "WHERE r.run_id = a.run_id AND r.state = 'waiting'",
        {
            "output": json.dumps({"effect": effect}),
            "runs": [row["run_id"] for row in rows],
            "documents": [row["document_id"] for row in rows],
            "versions": [row["version"] for row in rows],
        },
    )
