"""Runs of events: what waits, what was done for it, and how it ended. What waits is found by its state (ADR 0015)."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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

TOGETHER_BYTES = 16 * 2**20  # of one function, contents that are read at once; what is over waits for the next look

# What is about a subject waits until what came before it has ended, or follows its document: else an older file could
# become the newer version, or a clean-up take a later upload along. What waits for a time of its own holds up nothing.
BEGINNING = """
  FROM unnest(%(functions)s::text[], %(limits)s::int[]) AS f (name, most) CROSS JOIN LATERAL (
    SELECT r.run_id, r.organization_id, r.event_id, r.function, r.subject, r.attempts, r.due_at, r.arrival
      FROM event_runs r
     WHERE r.state = 'waiting' AND r.function = f.name AND r.due_at <= now() AND NOT EXISTS (
           SELECT 1 FROM event_runs b
            WHERE b.organization_id = r.organization_id AND b.subject = r.subject
              AND b.state IN ('waiting', 'requesting', 'requested')
              AND (b.state <> 'waiting' OR (b.arrival < r.arrival AND (b.due_at <= now() OR b.attempts > 0))))
     ORDER BY r.due_at, r.arrival LIMIT f.most) due
"""
# As much of it as fits into memory: an event may have 3 MiB. The size of a content is known without reading it.
DUE = f"""
SELECT run_id, organization_id, event_id, function, subject, attempts, content FROM (
    SELECT due.*, e.content, octet_length(e.content) AS size,
           sum(octet_length(e.content)) OVER (PARTITION BY function ORDER BY due_at, arrival) AS together
      {BEGINNING} JOIN events e USING (organization_id, event_id)) sized
 WHERE together - size < %(bytes)s ORDER BY due_at, arrival
"""  # noqa: S608 - a constant of our own
REQUESTING = """
SELECT run_id, function, document_id, content FROM (
    SELECT r.run_id, r.function, r.document_id, r.arrival, e.content, octet_length(e.content) AS size,
           sum(octet_length(e.content)) OVER (ORDER BY r.arrival) AS together
      FROM event_runs r JOIN events e USING (organization_id, event_id) WHERE r.state = 'requesting'
     ORDER BY r.arrival LIMIT %(limit)s) sized
 WHERE together - size < %(bytes)s ORDER BY arrival
"""
WAITING = "SELECT run_id FROM event_runs WHERE run_id = ANY(%s) AND state = 'waiting' ORDER BY run_id FOR UPDATE"
# Locked in one order. A failed newest version is tried again; any other one is followed as it is.
NEWEST = f"""
SELECT a.run_id, d.document_id, v.version, v.status
  FROM unnest(%(runs)s::text[], %(documents)s::text[]) AS a (run_id, document_id)
  JOIN documents d ON d.document_id = a.document_id
  JOIN versions v ON v.document_id = d.document_id AND v.version = {CURRENT}
 ORDER BY d.document_id, a.run_id FOR UPDATE OF v
"""  # noqa: S608 - a constant of our own
AGAIN = """
UPDATE versions v SET status = 'pending', error = NULL, requested_at = NULL, run_id = NULL, attempt = attempt + 1
  FROM (SELECT DISTINCT * FROM unnest(%(documents)s::text[], %(versions)s::int[]) AS a (document_id, version)) a
 WHERE v.document_id = a.document_id AND v.version = a.version AND v.status = 'failed'
"""
# The document's own id: by that id, where the event named it so, else by the name; one that is on its way out only
# where nothing else has the name.
NAMED = """
SELECT r.run_id, (SELECT d.document_id FROM documents d WHERE d.organization_id = r.organization_id
                     AND (d.document_id = coalesce(r.document_id, r.subject)
                          OR (r.document_id IS NULL AND d.external_id = r.subject))
                     AND (d.removed_at IS NULL OR %(removed)s)
                   ORDER BY d.removed_at IS NOT NULL, d.document_id <> r.subject LIMIT 1) AS document_id
  FROM event_runs r WHERE r.run_id = ANY(%(runs)s)
"""
SAID = """
UPDATE event_runs r SET state = 'completed', error = NULL, started_at = coalesce(r.started_at, now()), ended_at = now(),
       output = json_build_object('noticeId', n.notice_id)::text
  FROM notices n WHERE r.run_id = ANY(%s) AND n.organization_id = r.organization_id AND n.key = r.run_id
"""
SETTLE = """
UPDATE event_runs r
   SET state = CASE WHEN v.status IN ('completed', 'rolled_back') THEN 'completed' WHEN v.status = 'failed'
                    THEN 'failed' ELSE 'cancelled' END,
       output = CASE WHEN v.result IS NULL THEN r.output
                     ELSE (coalesce(r.output, '{}')::jsonb || jsonb_build_object('result', v.result))::text END,
       error = CASE WHEN v.status IS NULL THEN 'The document was removed' ELSE v.error END,
       dagster_run_id = v.run_id, ended_at = coalesce(v.completed_at, now())
  FROM event_runs f LEFT JOIN versions v ON v.document_id = f.document_id AND v.version = f.version
 WHERE r.run_id = f.run_id AND f.state = 'following'
   AND (v.status IS NULL OR v.status IN ('completed', 'rolled_back', 'failed'))
"""
OLD = """
  FROM events e WHERE received_at < now() - make_interval(days => %s) AND NOT EXISTS (
       SELECT 1 FROM event_runs r WHERE r.organization_id = e.organization_id AND r.event_id = e.event_id
          AND r.state NOT IN ('completed', 'failed', 'cancelled'))
"""


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run whose time has come, with the event that it is for."""

    run_id: str
    organization_id: str
    event_id: str
    function: str
    subject: str | None
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
    """A run that somebody wants to be ended, with the version that it follows, if any.

    `only_follows`: the event had no effect, so what becomes of the version is not its to say.
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
        """Of each function, at most so many runs that may begin now, the longest due first, and no more than fit."""
        at = {"functions": list(most), "limits": list(most.values()), "bytes": TOGETHER_BYTES}
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(DueRun)) as cursor:
            return cursor.execute(DUE, at).fetchall()

    def is_any_due(self, functions: Iterable[str]) -> bool:
        """Whether a run of one of them may begin now."""
        names = list(functions)
        at = {"functions": names, "limits": [1] * len(names)}
        with self._database.transaction() as connection:
            return connection.execute(f"SELECT 1 {BEGINNING} LIMIT 1", at).fetchone() is not None

    def under_way(self) -> dict[str, int]:
        """Function → how many of its jobs have been asked for and have not ended."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT function, count(*) AS runs FROM event_runs WHERE state IN ('requesting', 'requested') "
                "GROUP BY function"
            ).fetchall()
        return {row["function"]: row["runs"] for row in rows}

    def wait_for_work(
        self,
        functions: Iterable[str],
        seconds: float,
        poll_interval: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Return when a run of these functions may begin or be cancelled, at the latest after `seconds`."""
        names = list(functions)
        wait_for_notify(
            self._database,
            NotifyChannel.EVENTS,
            lambda: self.is_any_due(names) or bool(self.to_cancel()),
            seconds,
            poll_interval,
            clock,
        )

    # -- being done -------------------------------------------------------------------------------------------

    def begin(self, run_ids: Sequence[str], again_after: timedelta) -> None:
        """Count an attempt before it is made, so that one that kills its process is counted too."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE event_runs SET attempts = attempts + 1, due_at = now() + %s, "
                "started_at = coalesce(started_at, now()) WHERE run_id = ANY(%s) AND state = 'waiting'",
                (again_after, list(run_ids)),
            )

    def reschedule(self, run_id: str, again_after: timedelta, reason: str) -> None:
        """Say why an attempt failed, and when the next one is made."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE event_runs SET error = %s, due_at = now() + %s WHERE run_id = %s AND state = 'waiting'",
                (reason, again_after, run_id),
            )

    def end(
        self, run_id: str, state: str, error: str | None = None, output: Any = None, dagster_run_id: str | None = None
    ) -> None:
        """A run has come to its end. One that has ended stays as it is."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE event_runs SET state = %s, error = %s, output = coalesce(%s, output), ended_at = now(), "
                "dagster_run_id = coalesce(%s, dagster_run_id) "
                "WHERE run_id = %s AND state IN ('waiting', 'requesting', 'requested', 'following')",
                (state, error, None if output is None else json.dumps(output), dagster_run_id, run_id),
            )

    def queue(self, run_ids: Sequence[str]) -> None:
        """Put each run's document into the queue, and follow its newest version, all in one transaction.

        A failed version is tried again; one that waits, is being processed or is completed has no second effect, and
        the run says so. A run whose document is not there has failed.
        """
        with self._database.transaction() as connection:
            documents = _documents(connection, run_ids)
            at = {"runs": list(documents), "documents": list(documents.values())}
            found = connection.execute(NEWEST, at).fetchall()
            failed = [row for row in found if row["status"] == "failed"]
            again = {"documents": [r["document_id"] for r in failed], "versions": [r["version"] for r in failed]}
            connection.execute(AGAIN, again)
            for status in {row["status"] for row in found}:
                rows = [row for row in found if row["status"] == status]
                _follow_all(connection, rows, "tried again" if status == "failed" else f"none: it is {status}")
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
            connection.execute(SAID, (waiting,))

    def record_upload(self, run_id: str, upload: Upload, document: Continued) -> UploadResult:
        """Record the upload that an event asked for; in the same transaction its run becomes the version's.

        Raises NotFound for a document of another organization, Conflict if the run waits no more.
        """
        with self._database.transaction() as connection:
            result = record(connection, upload, document)
            effect = "none: its bytes are known" if result.already_known else None
            attach_to_version(connection, run_id, result.version.document_id, result.version.version, effect)
            return result

    def bind_to_document(self, run_ids: Sequence[str], removed: bool = False) -> None:
        """Bind runs of jobs to their documents; from now on their jobs are asked for until one is taken.

        `removed`: a document that is on its way out counts too. A run whose document is not there has failed.
        """
        with self._database.transaction() as connection:
            documents = _documents(connection, run_ids, removed)
            connection.execute(
                "UPDATE event_runs r SET state = 'requesting', document_id = a.document_id, error = NULL "
                "FROM unnest(%s::text[], %s::text[]) AS a (run_id, document_id) WHERE r.run_id = a.run_id",
                (list(documents), list(documents.values())),
            )

    def requesting(self, limit: int = 500) -> list[JobRun]:
        """Runs whose job was not yet taken by the orchestrator, as far as is known; no more of them than fit."""
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(JobRun)) as cursor:
            return cursor.execute(REQUESTING, {"limit": limit, "bytes": TOGETHER_BYTES}).fetchall()

    def mark_requested(self, run_ids: Sequence[str]) -> None:
        """The orchestrator has taken the requests of these runs."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE event_runs SET state = 'requested', requested_at = now() "
                "WHERE run_id = ANY(%s) AND state = 'requesting'",
                (list(run_ids),),
            )

    def started(self, run_id: str, dagster_run_id: str) -> bool:
        """The job of a run has begun, which says too that it was taken; False where the run has ended before."""
        with self._database.transaction() as connection:
            begun = connection.execute(
                "UPDATE event_runs SET state = 'requested', dagster_run_id = %s, started_at = now(), "
                "requested_at = coalesce(requested_at, now()) "
                "WHERE run_id = %s AND state IN ('requesting', 'requested')",
                (dagster_run_id, run_id),
            )
        return bool(begun.rowcount)

    # -- ending -----------------------------------------------------------------------------------------------

    def requested(self, limit: int = 1000) -> dict[str, timedelta]:
        """Runs whose job was taken and has not said that it ended, and how long ago it was taken."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT run_id, clock_timestamp() - coalesce(requested_at, created_at) AS ago FROM event_runs "
                "WHERE state = 'requested' ORDER BY arrival LIMIT %s",
                (limit,),
            ).fetchall()
        return {row["run_id"]: row["ago"] for row in rows}

    def finish_from_versions(self) -> int:
        """End the runs whose version has ended; how many."""
        with self._database.transaction() as connection:
            return connection.execute(SETTLE).rowcount

    def to_cancel(self) -> list[CancelledRun]:
        with (
            self._database.transaction() as connection,
            connection.cursor(row_factory=class_row(CancelledRun)) as found,
        ):
            return found.execute(
                "SELECT r.run_id, r.state, r.document_id, r.version, coalesce(r.dagster_run_id, v.run_id) AS "
                "dagster_run_id, v.requested_at IS NOT NULL AS requested, "
                "CASE WHEN r.state = 'following' THEN coalesce(r.output::jsonb ->> 'effect' LIKE 'none:%', false) "
                "ELSE false END AS only_follows FROM event_runs r LEFT JOIN versions v "
                "ON v.document_id = r.document_id AND v.version = r.version "
                "WHERE r.state IN ('requesting', 'requested', 'following') AND r.cancel_requested ORDER BY r.arrival "
                "LIMIT 100"
            ).fetchall()

    def forget(self, days: int, dry_run: bool = False) -> int:
        """Delete events older than so many days of which nothing is under way; how many. Their ids go after two."""
        with self._database.transaction() as connection:
            if dry_run:
                row = connection.execute(f"SELECT count(*) AS events {OLD}", (days,)).fetchone()
                return int(row["events"]) if row else 0
            connection.execute("DELETE FROM event_keys WHERE received_at < now() - interval '2 days'")
            return connection.execute(f"DELETE {OLD}", (days,)).rowcount


def attach_to_version(
    connection: Connection, run_id: str, document_id: str, version: int, effect: str | None = None
) -> None:
    """From now on the run is what becomes of the version. Raises Conflict where it waits no more."""
    followed = connection.execute(
        "UPDATE event_runs SET state = 'following', document_id = %s, version = %s, output = %s, error = NULL "
        "WHERE run_id = %s AND state = 'waiting'",
        (document_id, version, effect and json.dumps({"effect": effect}), run_id),
    ).rowcount
    if not followed:
        raise Conflict(f"Run {run_id} waits no more: it was cancelled, or somebody else has done it")


def _documents(connection: Connection, run_ids: Sequence[str], removed: bool = False) -> dict[str, str | None]:
    """Run → its document, of those that still wait, locked; those that name a document which is not there fail."""
    waiting = [row["run_id"] for row in connection.execute(WAITING, (list(run_ids),)).fetchall()]
    rows = connection.execute(NAMED, {"runs": waiting, "removed": removed}).fetchall()
    found = {row["run_id"]: row["document_id"] for row in rows}
    connection.execute(
        "UPDATE event_runs SET state = 'failed', ended_at = now(), "
        "error = 'Organization ' || organization_id || ' has no document ' || coalesce(document_id, subject) "
        "WHERE run_id = ANY(%s) AND subject IS NOT NULL",
        ([run_id for run_id, document_id in found.items() if document_id is None],),
    )
    about_none = connection.execute(
        "SELECT run_id FROM event_runs WHERE run_id = ANY(%s) AND subject IS NULL", (waiting,)
    ).fetchall()
    keep = {row["run_id"] for row in about_none}
    return {run_id: document_id for run_id, document_id in found.items() if document_id is not None or run_id in keep}


def _follow_all(connection: Connection, rows: Sequence[Mapping[str, Any]], effect: str) -> None:
    connection.execute(
        "UPDATE event_runs r SET state = 'following', document_id = a.document_id, version = a.version, error = NULL, "
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
