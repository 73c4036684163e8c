"""Figures of the whole deployment for `/metrics`: what has happened so far, and how things stand."""

from dataclasses import dataclass
from typing import Any

from resources.database.connections import Database

# One round trip. Each part reads counters or an index; none reads rows, files or vectors.
FIGURES = """
WITH others AS (
    SELECT v.status, count(*) AS documents FROM versions v
      JOIN documents d ON d.document_id = v.document_id AND d.latest_version = v.version
     WHERE v.status <> 'completed' GROUP BY v.status)
SELECT 'counter' AS kind, name, label, sum(amount)::float8 AS value FROM counters GROUP BY name, label
UNION ALL
SELECT 'documents', status, '', documents FROM others
UNION ALL
SELECT 'documents', 'completed', '', (SELECT count(*) FROM documents) - (SELECT coalesce(sum(documents), 0) FROM others)
UNION ALL
SELECT 'waiting', 'services', '', count(*) FROM versions WHERE waiting_reason IS NOT NULL
UNION ALL
SELECT 'waiting', 'uploads', '', count(*) FROM versions WHERE status = 'pending' AND requested_at IS NULL
UNION ALL
SELECT 'oldest', 'uploads', '', extract(epoch FROM now() - min(uploaded_at)) FROM versions
 WHERE status = 'pending' AND requested_at IS NULL
UNION ALL
SELECT 'oldest', 'events', '', extract(epoch FROM now() - min(created_at)) FROM function_runs
 WHERE state = 'waiting' AND due_at <= now()
UNION ALL
SELECT 'oldest', 'notices', '', extract(epoch FROM now() - min(next_attempt_at)) FROM notifications
 WHERE state = 'waiting' AND next_attempt_at <= now()
UNION ALL
SELECT 'waiting', 'events', '', count(*) FROM function_runs WHERE state = 'waiting'
UNION ALL
SELECT 'waiting', 'notices', '', count(*) FROM notifications WHERE state = 'waiting'
UNION ALL
SELECT 'alerts', '', '', count(*) FROM alerts WHERE recovered_at IS NULL
UNION ALL
SELECT 'bytes', c.relname, '', pg_total_relation_size(c.oid) FROM pg_class c
 WHERE c.oid IN (to_regclass('events'), to_regclass('versions'), to_regclass('batches'), to_regclass('lineage'),
                 to_regclass('embeddings'), to_regclass('vectors'))
UNION ALL
SELECT 'estimated', c.relname, '', greatest(c.reltuples, 0) FROM pg_class c
 WHERE c.oid IN (to_regclass('embeddings'), to_regclass('vectors'), to_regclass('lineage'))
UNION ALL
SELECT 'bytes', 'database', '', pg_database_size(current_database())
"""
DAGSTER = """
SELECT 'dagster_runs' AS kind, lower(status) AS name, '' AS label, count(*)::float8 AS value FROM runs
 WHERE status IN ('QUEUED', 'NOT_STARTED', 'STARTING', 'STARTED', 'CANCELING') GROUP BY status
UNION ALL
SELECT 'heartbeat', '', '', extract(epoch FROM now() AT TIME ZONE 'utc' - max(timestamp)) FROM daemon_heartbeats
"""
FOLD = """
WITH lines AS (DELETE FROM counters RETURNING name, label, amount)
INSERT INTO counters SELECT name, label, sum(amount) FROM lines GROUP BY name, label
"""
MANY_LINES = 2_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: of which kind, called what, of which label. None if there is nothing to measure."""

    kind: str
    name: str
    label: str
    value: float | None


class Counters:
    """Reading the figures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def figures(self) -> list[Figure]:
        """All figures, in one transaction; Dagster's too if its tables are in this database."""
        with self._database.transaction() as connection:
            dagster = connection.execute("SELECT to_regclass('daemon_heartbeats') IS NOT NULL AS there").fetchone()
            rows: list[dict[str, Any]] = connection.execute(FIGURES).fetchall()
            if dagster and dagster["there"]:
                rows += connection.execute(DAGSTER).fetchall()
        return [Figure(**row) for row in rows]

    def fold(self) -> None:
        """Add the lines of each counter up to one, if there are many."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT count(*) AS lines FROM (SELECT FROM counters LIMIT %s) AS line", (MANY_LINES,)
            ).fetchone()
            if row and row["lines"] >= MANY_LINES:
                connection.execute(FOLD)

    def heartbeat_seconds(self) -> float | None:
        """How long ago Dagster's daemon was heard; None for never."""
        with self._database.transaction() as connection:
            there = connection.execute("SELECT to_regclass('daemon_heartbeats') IS NOT NULL AS there").fetchone()
            if not there or not there["there"]:
                return None
            row = connection.execute(
                "SELECT extract(epoch FROM now() AT TIME ZONE 'utc' - max(timestamp))::float8 AS seconds "
                "FROM daemon_heartbeats"
            ).fetchone()
        return None if row is None else row["seconds"]
