"""Embedding jobs: which texts were handed to a service to be embedded within a day, and which documents wait."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg.rows import class_row, dict_row

from domain.documents.embedding_jobs import (
    INITIAL_POLL_INTERVAL_SECONDS,
    MAX_POLL_INTERVAL_SECONDS,
    input_name,
    job_ranges,
    seconds_to_next_poll,
)
from resources.database.connections import Database
from resources.database.listen import NotifyChannel, notify
from resources.ledger.documents.versions import Version

JOB = (
    "SELECT o.job_key, o.document_id, o.version, o.first_row, o.last_row, o.inputs, o.state, o.service_id, "
    "o.poll_count, "
    "o.created_at FROM embedding_jobs o "
)

# what `Embeddings.group` would ask for: also here a text that somebody paid for meanwhile is left out
UNPAID = """
  FROM lineage l JOIN versions v USING (document_id, version)
 WHERE l.document_id = %(document)s AND l.version = %(version)s AND l.row_position BETWEEN %(first)s AND %(last)s
   AND l.needs_embedding AND l.outcome <> 'error'
   AND NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.organization_id = l.organization_id AND e.model = v.model
                                                AND e.text_hash = l.text_hash OFFSET 0)
 ORDER BY l.row_position
"""
LAST_ROW = 2**31 - 1

WAKE = """
UPDATE versions v SET status = 'pending', requested_at = NULL, run_id = NULL, waiting_reason = NULL, attempt = attempt
       + 1
 WHERE status = 'processing' AND waiting_reason IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM embedding_jobs o JOIN versions w USING (document_id, version)
                    WHERE o.document_id = v.document_id AND o.state = 'submitted' AND w.model = v.model)
RETURNING document_id
"""

# Nothing is asked for older ones: the service deletes our files after 30 days, and works on them for one.
KEPT_THERE = "(o.state = 'created' OR o.submitted_at > now() - interval '32 days')"

AT_SERVICE = f"""
SELECT o.job_key, o.service_id, o.created_at FROM embedding_jobs o
 WHERE o.document_id = ANY(%(documents)s) AND (%(versions)s::int[] IS NULL OR o.version = ANY(%(versions)s))
   AND o.purged_at IS NULL AND {KEPT_THERE} ORDER BY o.job_key
"""  # noqa: S608 - constants of this module

# What was cancelled and had not ended; what was read to its end; what a version that was overtaken had ordered.
UNNEEDED = f"""
SELECT * FROM (
    SELECT job_key, service_id, created_at, next_poll_at FROM cancelled_embedding_jobs
     WHERE next_poll_at <= now() AND cancelled_at > now() - interval '32 days'
    UNION ALL
    SELECT o.job_key, o.service_id, o.created_at, o.next_poll_at
      FROM embedding_jobs o JOIN documents d USING (document_id)
     WHERE o.purged_at IS NULL AND o.next_poll_at <= now() AND {KEPT_THERE}
       AND (o.state IN ('collected', 'refused', 'cancelled') OR o.version < d.live_version)) unneeded
 ORDER BY next_poll_at LIMIT %(limit)s
"""  # noqa: S608

STILL_ENDING = """
INSERT INTO cancelled_embedding_jobs (job_key, service_id, created_at, next_poll_at)
VALUES (%(key)s, %(id)s, %(created)s, now() + make_interval(secs => %(after)s))
    ON CONFLICT (job_key) DO UPDATE SET next_poll_at = excluded.next_poll_at
"""

State = Literal["created", "submitted", "ready", "collected", "refused", "cancelled"]


@dataclass(frozen=True, slots=True)
class EmbeddingJob:
    """One file of texts for the service. `service_id` is the service's name for it, once it is known to be submitted.

    created (recorded, perhaps submitted) → submitted → ready (the service is done) → collected, or refused; any of the
    first three → cancelled.
    """

    job_key: str
    document_id: str
    version: int
    first_row: int
    last_row: int
    inputs: int
    state: State
    service_id: str | None
    poll_count: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AtService:
    """A job of which the service may still store texts or their vectors."""

    job_key: str
    service_id: str | None
    created_at: datetime


class EmbeddingJobs:
    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, version: Version) -> None:
        """Record a version's jobs before anything is sent; each version has its jobs created once.

        What a job leaves undone is embedded by usual requests, so no text is handed over for ever.
        """
        params = {"document": version.document_id, "version": version.version, "first": 0, "last": LAST_ROW}
        with self._database.transaction() as connection:
            if connection.execute(
                "SELECT 1 FROM embedding_jobs WHERE document_id = %(document)s AND version = %(version)s LIMIT 1",
                params,
            ).fetchone():
                return
            with connection.cursor(name="unpaid") as cursor:
                cursor.execute("SELECT l.row_position, octet_length(l.content) AS size" + UNPAID, params)
                ranges = list(job_ranges((row["row_position"], row["size"]) for row in cursor))
            with connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO embedding_jobs (job_key, document_id, version, first_row, last_row, inputs) "
                    "VALUES (%s, %s, %s, %s, %s, %s)",
                    [
                        (
                            f"{version.document_id}:{version.version}:{index}",
                            version.document_id,
                            version.version,
                            part.first,
                            part.last,
                            part.inputs,
                        )
                        for index, part in enumerate(ranges, 1)
                    ],
                )

    def texts(self, job: EmbeddingJob) -> Iterator[tuple[str, str]]:
        """(name of the input, text) of a job, read page by page: the file's size costs no memory."""
        params = {
            "document": job.document_id,
            "version": job.version,
            "first": job.first_row,
            "last": job.last_row,
        }
        with self._database.reading() as connection, connection.cursor(name="ordered") as cursor:
            cursor.itersize = 1000
            cursor.execute("SELECT l.row_position, l.text_hash, l.content" + UNPAID, params)
            for row in cursor:
                yield input_name(row["row_position"], row["text_hash"]), row["content"]

    def open(self, version: Version) -> list[EmbeddingJob]:
        """Jobs that are not finished: the version's own, and those submitted for older versions of the document.

        Those for another model are left out: what they paid for is of no use here, and cannot be read by this embedder.
        """
        with (
            self._database.transaction() as connection,
            connection.cursor(row_factory=class_row(EmbeddingJob)) as cursor,
        ):
            return cursor.execute(
                JOB + "JOIN versions v USING (document_id, version) WHERE document_id = %(document)s "
                "AND v.model = %(model)s AND (version = %(version)s AND o.state = 'created' "
                "OR o.state IN ('submitted', 'ready')) ORDER BY o.created_at, o.first_row",
                {"document": version.document_id, "version": version.version, "model": version.model},
            ).fetchall()

    def due(self, limit: int) -> list[EmbeddingJob]:
        """Submitted jobs that are to be polled now, those waiting longest first."""
        with (
            self._database.transaction() as connection,
            connection.cursor(row_factory=class_row(EmbeddingJob)) as cursor,
        ):
            return cursor.execute(
                JOB + "WHERE state = 'submitted' AND next_poll_at <= now() ORDER BY next_poll_at LIMIT %s",
                (limit,),
            ).fetchall()

    def mark_submitted(self, job: EmbeddingJob, service_id: str) -> None:
        """Record that the service has the job, and its id there."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE embedding_jobs SET state = 'submitted', service_id = %s, submitted_at = now(), "
                "next_poll_at = now() + make_interval(secs => %s) WHERE job_key = %s",
                (service_id, seconds_to_next_poll(0), job.job_key),
            )

    def schedule_poll(self, job: EmbeddingJob) -> None:
        """The service still works on it; the next poll comes after a longer pause."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE embedding_jobs SET poll_count = poll_count + 1, "
                "next_poll_at = now() + make_interval(secs => %s) "
                "WHERE job_key = %s",
                (seconds_to_next_poll(job.poll_count + 1), job.job_key),
            )

    def finish(self, job: EmbeddingJob, state: Literal["ready", "collected", "refused"]) -> None:
        """Record that the service is done with it, or that we are."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE embedding_jobs SET state = %s, ended_at = now(), next_poll_at = now() WHERE job_key = %s",
                (state, job.job_key),
            )

    # -- what the service stores -----------------------------------------------------------------------------

    def at_service(self, document_ids: Sequence[str], versions: Sequence[int] | None = None) -> list[AtService]:
        """Jobs of these documents (of these versions only) of which the service may still store anything."""
        params = {"documents": list(document_ids), "versions": None if versions is None else list(versions)}
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(AtService)) as cursor:
            return cursor.execute(AT_SERVICE, params).fetchall()

    def unneeded(self, limit: int) -> list[AtService]:
        """Jobs that nobody waits for, of which the service may still store something; those waiting longest first."""
        with self._database.transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(UNNEEDED, {"limit": limit}).fetchall()
        return [AtService(row["job_key"], row["service_id"], row["created_at"]) for row in rows]

    def mark_cancelled(self, job: AtService, gone: bool) -> None:
        """Nothing of it is at the service any more (`gone`), or it is still ending there and is polled again."""
        params = {
            "key": job.job_key,
            "id": job.service_id,
            "created": job.created_at,
            "after": INITIAL_POLL_INTERVAL_SECONDS,
        }
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE embedding_jobs SET purged_at = coalesce(purged_at, now()), "
                "ended_at = coalesce(ended_at, now()), state = CASE WHEN state IN ('created', 'submitted', 'ready') "
                "THEN 'cancelled' ELSE state END WHERE job_key = %(key)s",
                params,
            )
            connection.execute(
                "DELETE FROM cancelled_embedding_jobs WHERE job_key = %(key)s" if gone else STILL_ENDING, params
            )

    def cancel_later(self, job: AtService) -> None:
        """The service could not be reached; try again after the longest pause."""
        with self._database.transaction() as connection:
            for table in ("embedding_jobs", "cancelled_embedding_jobs"):
                connection.execute(
                    f"UPDATE {table} SET next_poll_at = now() + make_interval(secs => %s) WHERE job_key = %s",  # noqa: S608
                    (MAX_POLL_INTERVAL_SECONDS, job.job_key),
                )

    # -- documents that wait ----------------------------------------------------------------------------------

    def wait(self, version: Version, sentence: str, run_id: str) -> None:
        """Record what the version waits for. It stays `processing`, though its run ends here."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE versions SET waiting_reason = %s WHERE document_id = %s AND version = %s AND run_id = %s "
                "AND status = 'processing'",
                (sentence, version.document_id, version.version, run_id),
            )

    def requeue_ready(self) -> list[str]:
        """Put documents that wait for no job any more back into the queue; returns their ids."""
        with self._database.transaction() as connection:
            requeued = [row["document_id"] for row in connection.execute(WAKE).fetchall()]
            if requeued:
                notify(connection, NotifyChannel.UPLOADS, requeued[0])
        return requeued
