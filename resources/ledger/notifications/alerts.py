"""Alerts: what is wrong now, and what was notified of it; written in one transaction with the notifications."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.notifications.alerts import AlertTransition, Cause, Fact, Kind, OpenAlert
from domain.notifications.fingerprints import Incident, failed_kind
from domain.notifications.messages import NewNotification
from resources.database.connections import Connection, Database
from resources.database.locks import lock_alerts
from resources.ledger.notifications.outbox import Outbox, enqueue

MAX_PROBLEMS = 5000  # that are read at once

# Returns current versions that failed, or completed with many error rows, and were not tried again.
DOCUMENTS = """
SELECT d.organization_id, d.document_id, v.filename, v.status, v.error, v.run_id,
       (v.result ->> 'errorRows')::bigint AS error_rows, (v.result ->> 'totalRows')::bigint AS total_rows
  FROM versions v JOIN documents d USING (document_id)
 WHERE v.version = d.latest_version AND d.removal_requested_at IS NULL AND v.completed_at > now() - %(window)s
   AND (v.status = 'failed'
        OR v.status = 'completed'
           AND (v.result ->> 'errorRows')::numeric > %(share)s * (v.result ->> 'totalRows')::numeric)
 ORDER BY v.completed_at LIMIT %(most)s
"""
# Returns documents, event runs and notifications that wait too long.
QUEUE = """
SELECT d.organization_id, d.document_id AS subject, v.filename AS what, 'document' AS noun
  FROM versions v JOIN documents d USING (document_id)
 WHERE v.status = 'pending' AND v.waiting_reason IS NULL AND d.removal_requested_at IS NULL
   AND greatest(v.uploaded_at, v.requested_at) < now() - %(age)s
 UNION ALL
SELECT organization_id, run_id, function, 'event' FROM function_runs
 WHERE state = 'waiting' AND greatest(created_at, due_at) < now() - %(age)s
 UNION ALL
SELECT organization_id, notification_id, channel, 'message' FROM notifications
 WHERE state = 'waiting' AND attempts = 0 AND greatest(created_at, next_attempt_at) < now() - %(age)s
 ORDER BY 2 LIMIT %(most)s
"""
# Returns event runs that failed lately.
EVENTS = """
SELECT organization_id, run_id, function, error FROM function_runs
 WHERE state = 'failed' AND ended_at > now() - %(window)s ORDER BY ended_at LIMIT %(most)s
"""
ALERT = (
    "SELECT alert_id, kind, reason, count, notification_count, last_notified_at, opened_at FROM alerts "
    "WHERE recovered_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class Watch:
    """What counts as wrong: how lately, from which share of error rows, after how long a wait."""

    window: timedelta
    share: float
    age: timedelta


Decide = Callable[[Sequence[OpenAlert], datetime], Sequence[AlertTransition]]
Notify = Callable[[AlertTransition, str, int], Sequence[NewNotification]]


class Alerts:
    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database, self._outbox = database, outbox

    def problems(self, watch: Watch) -> list[Incident]:
        """Documents, events and waits that are wrong now, oldest first."""
        params = {"window": watch.window, "share": watch.share, "age": watch.age, "most": MAX_PROBLEMS}
        with self._database.transaction() as connection:
            documents = connection.execute(DOCUMENTS, params).fetchall()
            waiting = connection.execute(QUEUE, params).fetchall()
            events = connection.execute(EVENTS, params).fetchall()
        problems = [problem for row in documents if (problem := _of_document(row))]
        minutes = watch.age.total_seconds() / 60
        for row in waiting:
            reason = f"A {row['noun']} waits for more than {minutes:g} minutes"
            problems.append(Incident("queue_age", row["organization_id"], row["subject"], row["what"], reason))
        for row in events:
            reason = row["error"] or "no reason was written"
            problems.append(Incident("event_failed", row["organization_id"], row["run_id"], row["function"], reason))
        return problems

    def open(self) -> list[OpenAlert]:
        """Alerts that have not recovered."""
        with self._database.transaction() as connection:
            return _open(connection)

    def decide(self, decide: Decide, notify: Notify, mint: Callable[[], str]) -> list[AlertTransition]:
        """Decide on the open alerts, and store the steps and their notifications, or nothing; one process at a time."""
        with self._database.transaction() as connection:
            lock_alerts(connection)
            row = connection.execute("SELECT clock_timestamp() AS now").fetchone()
            assert row is not None
            steps = list(decide(_open(connection), row["now"]))
            for step in steps:
                alert_id = step.alert.alert_id if step.alert else mint()
                notification_count = (step.alert.notification_count if step.alert else 0) + (step.deed != "grown")
                _write(connection, step, alert_id, notification_count, row["now"])
                enqueue(connection, notify(step, alert_id, notification_count))
        return steps


def _open(connection: Connection) -> list[OpenAlert]:
    return [
        OpenAlert(
            row["alert_id"],
            Cause(row["kind"], row["reason"]),
            row["count"],
            row["notification_count"],
            row["last_notified_at"],
            row["opened_at"],
        )
        for row in connection.execute(ALERT).fetchall()
    ]


def _of_document(row: dict[str, Any]) -> Incident | None:
    kind: Kind | None = "document_errors"
    reason = f"{row['error_rows']} of {row['total_rows']} rows have errors"
    if row["status"] == "failed":
        reason = row["error"] or "no reason was written"
        kind = failed_kind(reason)
    if kind is None:
        return None
    return Incident(kind, row["organization_id"], row["document_id"], row["filename"], reason, row["run_id"])


def _write(
    connection: Connection, step: AlertTransition, alert_id: str, notification_count: int, now: datetime
) -> None:
    fact: Fact | None = step.fact
    params = {
        "id": alert_id,
        "cause": f"{step.cause.kind}: {step.cause.reason}",
        "kind": step.cause.kind,
        "reason": step.cause.reason,
        "organizations": list(fact.organizations) if fact else [],
        "count": fact.count if fact else 0,
        "sent": notification_count,
        "now": now,
    }
    if step.deed == "opened":
        connection.execute(
            "INSERT INTO alerts (alert_id, cause, kind, reason, organizations, count, last_notified_at, opened_at) "
            "VALUES (%(id)s, %(cause)s, %(kind)s, %(reason)s, %(organizations)s, %(count)s, %(now)s, %(now)s)",
            params,
        )
    elif step.deed == "recovered":
        connection.execute(
            "UPDATE alerts SET recovered_at = %(now)s, notification_count = %(sent)s WHERE alert_id = %(id)s",
            params,
        )
    else:
        connection.execute(
            "UPDATE alerts SET last_notified_at = CASE WHEN notification_count = %(sent)s THEN last_notified_at "
            "ELSE %(now)s END, notification_count = %(sent)s, "
            "organizations = %(organizations)s, count = greatest(count, %(count)s) WHERE alert_id = %(id)s",
            params,
        )
