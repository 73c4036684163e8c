"""Events: stored before they are answered, once however often they are sent; and how they are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import class_row

from domain.events.acceptance import AcceptedEvent
from domain.events.parsing import ascii_of, kept_fields, text_of
from resources.database.connections import Connection, Database
from resources.database.listen import NotifyChannel, notify

KEY_LIFETIME = timedelta(hours=24)  # how long an idempotency key stands for its first event

# Stores idempotency keys; returns those that were free. Sorted, so that two requests with the same keys in another
# order wait for each other and never in a circle.
KEYS = """
INSERT INTO event_idempotency_keys (organization_id, digest, event_id)
SELECT %(organization)s, digest, event_id FROM unnest(%(digests)s::bytea[], %(ids)s::text[]) AS k (digest, event_id)
 ORDER BY digest
    ON CONFLICT (organization_id, digest) DO UPDATE SET event_id = excluded.event_id, received_at = now()
 WHERE event_idempotency_keys.received_at < now() - %(honoured)s
RETURNING digest
"""
# Stores events; returns the ids of new ones. %b: as text, every quotation mark of the contents would be escaped by a
# regular expression.
EVENTS = """
INSERT INTO events (organization_id, event_id, name, content)
SELECT %(organization)s, event_id, name, content
  FROM unnest(%(ids)b::text[], %(names)b::text[], %(contents)b::text[]) AS e (event_id, name, content)
 ORDER BY event_id
    ON CONFLICT (organization_id, event_id) DO NOTHING
RETURNING event_id
"""
# Stores the runs that events start, in their order.
RUNS = """
INSERT INTO function_runs (run_id, organization_id, event_id, function, document_id, ordering_key, due_at)
SELECT run_id, %(organization)s, event_id, function, document, ordering_key, greatest(now(), to_timestamp(ts / 1000.0))
  FROM unnest(%(runs)s::text[], %(ids)s::text[], %(functions)s::text[], %(documents)s::text[], %(subjects)s::text[],
              %(times)s::bigint[])
       WITH ORDINALITY AS r (run_id, event_id, function, document, ordering_key, ts, place)
 ORDER BY place
"""
# Locks runs that may be cancelled, in the order in which the sensor locks too: else a request and the sensor, or two
# requests with the same documents in another order, would deadlock, and one of them fail.
CANCELLABLE = """
SELECT run_id FROM function_runs
 WHERE organization_id = %(organization)s AND ordering_key = ANY(%(subjects)s) AND state = 'waiting'
 ORDER BY run_id FOR UPDATE
"""
# Cancels the locked runs of a subject that an event cancels.
CANCEL = """
UPDATE function_runs SET state = 'cancelled', ended_at = now(), error = %(reason)s
 WHERE organization_id = %(organization)s AND ordering_key = %(subject)s AND function = ANY(%(functions)s)
   AND state = 'waiting' AND event_id <> %(event)s AND run_id = ANY(%(locked)s)
"""
# Returns the external ids of documents that events name by our id. All events about a document are ordered by its
# external id: it is known before the document exists, and the next document with it continues the order.
EXTERNAL_IDS = """
SELECT document_id, external_id FROM documents
 WHERE organization_id = %(organization)s AND document_id = ANY(%(subjects)s)
   AND external_id IS NOT NULL AND removal_requested_at IS NULL
"""
EVENT = "SELECT event_id, name AS spelt, content, received_at FROM events WHERE organization_id = %(organization)s "
RUN = """
SELECT r.run_id, r.event_id, r.organization_id, r.function, r.state, r.document_id, r.version, r.output, r.error,
       r.created_at, r.started_at, r.ended_at, coalesce(r.dagster_run_id, v.run_id) AS dagster_run_id,
       v.status AS version_status, v.error AS version_error, v.result AS version_result,
       v.completed_at AS version_ended_at
  FROM function_runs r LEFT JOIN versions v ON v.document_id = r.document_id AND v.version = r.version
 WHERE r.organization_id = %(organization)s
"""
RUN_STATES = """
SELECT event_id, array_agg(state ORDER BY sequence) AS states FROM function_runs
 WHERE organization_id = %s AND event_id = ANY(%s) GROUP BY event_id
"""


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An event as it is stored."""

    event_id: str
    spelt: str
    content: str
    received_at: datetime

    @property
    def name(self) -> str:
        return text_of(self.spelt)

    @property
    def fields(self) -> dict[str, Any]:
        """name, data, id, ts, v, user and meta, as far as the sender gave them."""
        return kept_fields(self.name, self.content)


@dataclass(frozen=True, slots=True)
class EventRun:
    """A run of an event, with the version that it follows."""

    run_id: str
    event_id: str
    organization_id: str
    function: str
    state: str
    document_id: str | None
    version: int | None
    output: str | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    dagster_run_id: str | None
    version_status: str | None
    version_error: str | None
    version_result: dict[str, Any] | None
    version_ended_at: datetime | None


class Events:
    def __init__(self, database: Database) -> None:
        self._database = database

    # -- storing ----------------------------------------------------------------------------------------------

    def take(self, organization_id: str, accepted: Sequence[AcceptedEvent]) -> list[str]:
        """Store all events and what they start, or none; committed and announced before it returns.

        Returns their ids. An event that was stored before (the same idempotency key within 24 hours, or the same seed)
        has no second effect; the id of the first one is returned for it.
        """
        if not accepted:
            return []
        with self._database.transaction() as connection:
            existing = _existing(connection, organization_id, accepted)
            ids = [existing.get(index, one.event_id) for index, one in enumerate(accepted)]
            fresh = [one for index, one in enumerate(accepted) if index not in existing]
            kept = _store(connection, organization_id, fresh)
            _start(connection, organization_id, [one for one in fresh if one.event_id in kept])
        return ids

    # -- reading ----------------------------------------------------------------------------------------------

    def event(self, organization_id: str, event_id: str) -> KeptEvent | None:
        with self._database.statement() as connection, connection.cursor(row_factory=class_row(KeptEvent)) as cursor:
            return cursor.execute(
                EVENT + "AND event_id = %(event)s", {"organization": organization_id, "event": event_id}
            ).fetchone()

    def listed(
        self,
        organization_id: str,
        limit: int = 20,
        name: str | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        cursor: str | None = None,
    ) -> list[KeptEvent]:
        """Newest first by id; `cursor` is the last id of the page before, `after` and `before` times of receipt."""
        params = {
            "organization": organization_id,
            "name": ascii_of(name) if name is not None else None,
            "after": after,
            "before": before,
            "cursor": cursor,
            "limit": limit,
        }
        with self._database.statement() as connection, connection.cursor(row_factory=class_row(KeptEvent)) as found:
            return found.execute(
                EVENT + "AND (%(name)s::text IS NULL OR name = %(name)s) "
                "AND (%(after)s::timestamptz IS NULL OR received_at > %(after)s) "
                "AND (%(before)s::timestamptz IS NULL OR received_at < %(before)s) "
                "AND (%(cursor)s::text IS NULL OR event_id < %(cursor)s) ORDER BY event_id DESC LIMIT %(limit)s",
                params,
            ).fetchall()

    def runs(self, organization_id: str, event_id: str) -> list[EventRun]:
        """The runs of an event."""
        return self.runs_of(organization_id, [event_id])

    def runs_of(self, organization_id: str, event_ids: Sequence[str]) -> list[EventRun]:
        """The runs of these events, in the order in which they were stored."""
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(EventRun)) as cursor:
            return cursor.execute(
                RUN + "AND r.event_id = ANY(%(events)s) ORDER BY r.sequence",
                {"organization": organization_id, "events": list(event_ids)},
            ).fetchall()

    def run(self, organization_id: str, run_id: str) -> EventRun | None:
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(EventRun)) as cursor:
            return cursor.execute(
                RUN + "AND r.run_id = %(run)s", {"organization": organization_id, "run": run_id}
            ).fetchone()

    def cancel(self, organization_id: str, run_id: str) -> bool:
        """Cancel a run that waits, or have the sensor stop one under way; returns False if it has ended before."""
        with self._database.transaction() as connection:
            cancelled = connection.execute(
                "UPDATE function_runs SET cancel_requested = true, "
                "state = CASE state WHEN 'waiting' THEN 'cancelled' ELSE state END, "
                "error = CASE state WHEN 'waiting' THEN 'Cancelled on request' ELSE error END, "
                "ended_at = CASE state WHEN 'waiting' THEN now() END "
                "WHERE organization_id = %s AND run_id = %s "
                "AND state IN ('waiting', 'submitting', 'requested', 'attached')",
                (organization_id, run_id),
            ).rowcount
            notify(connection, NotifyChannel.EVENTS)
        return bool(cancelled)

    def states(self, organization_id: str, event_ids: Sequence[str]) -> dict[str, list[str]]:
        """Event → states of its runs; an event without runs is left out."""
        with self._database.statement() as connection:
            rows = connection.execute(RUN_STATES, (organization_id, list(event_ids))).fetchall()
        return {row["event_id"]: row["states"] for row in rows}


def _existing(connection: Connection, organization_id: str, accepted: Sequence[AcceptedEvent]) -> dict[int, str]:
    """Index in the request → first id, of events whose idempotency key stands for another event already."""
    first: dict[bytes, int] = {}  # the same id twice in one request: the first one counts
    for index, one in enumerate(accepted):
        if one.digest is not None:
            first.setdefault(one.digest, index)
    if not first:
        return {}
    digests = list(first)
    params = {"organization": organization_id, "digests": digests, "honoured": KEY_LIFETIME}
    params["ids"] = [accepted[index].event_id for index in first.values()]
    fresh = {row["digest"] for row in connection.execute(KEYS, params).fetchall()}
    rows = connection.execute(
        "SELECT digest, event_id FROM event_idempotency_keys "
        "WHERE organization_id = %(organization)s AND digest = ANY(%(digests)s)",
        params,
    ).fetchall()
    ids = {row["digest"]: row["event_id"] for row in rows}
    return {
        index: ids[one.digest]
        for index, one in enumerate(accepted)
        if one.digest is not None and (one.digest not in fresh or first[one.digest] != index)
    }


def _store(connection: Connection, organization_id: str, fresh: Sequence[AcceptedEvent]) -> set[str]:
    """Store them; returns the ids of those that were not stored before."""
    if not fresh:
        return set()
    params = {
        "organization": organization_id,
        "ids": [one.event_id for one in fresh],
        "names": [ascii_of(one.event.name) for one in fresh],
        "contents": [one.event.content for one in fresh],
    }
    return {row["event_id"] for row in connection.execute(EVENTS, params).fetchall()}


def _start(connection: Connection, organization_id: str, kept: Sequence[AcceptedEvent]) -> None:
    runs = [(one, run) for one in kept for run in one.runs]
    external_ids = _external_ids(
        connection, organization_id, [run.subject for _, run in runs if run.subject is not None]
    )
    cancelling = [
        (one, external_ids.get(one.subject, one.subject)) for one in kept if one.cancels and one.subject is not None
    ]
    about = {"organization": organization_id, "subjects": [subject for _, subject in cancelling]}
    locked = [row["run_id"] for row in connection.execute(CANCELLABLE, about).fetchall()] if cancelling else []
    for one, subject in cancelling:
        params = {"organization": organization_id, "subject": subject, "functions": list(one.cancels), "locked": locked}
        reason = f"Cancelled by the event {one.event.name}"
        connection.execute(CANCEL, params | {"event": one.event_id, "reason": reason})
    if not runs:
        return
    subjects = [run.subject for _, run in runs]
    connection.execute(
        RUNS,
        {
            "organization": organization_id,
            "runs": [run.run_id for _, run in runs],
            "ids": [one.event_id for one, _ in runs],
            "functions": [run.function for _, run in runs],
            # a document named by our id is that one, whichever has its external id when the run starts
            "documents": [subject if subject in external_ids else None for subject in subjects],
            "subjects": [subject and external_ids.get(subject, subject) for subject in subjects],
            "times": [one.event.ts or 0 for one, _ in runs],
        },
    )
    notify(connection, NotifyChannel.EVENTS)


def _external_ids(connection: Connection, organization_id: str, subjects: Sequence[str]) -> dict[str, str]:
    """Our id of a document → what the app calls it, of those of the subjects that are documents with such a name."""
    if not subjects:
        return {}
    rows = connection.execute(EXTERNAL_IDS, {"organization": organization_id, "subjects": list(subjects)}).fetchall()
    return {row["document_id"]: row["external_id"] for row in rows}
