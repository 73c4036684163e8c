"""The outbox: a notification is stored here first, claimed by one sender, and finished once it is sent or given up."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from psycopg.rows import class_row

from domain.errors import Conflict, NotFound
from domain.notifications.messages import Channel, NewNotification
from domain.notifications.retry_policy import Settlement, State
from resources.database.connections import Connection, Database
from resources.database.listen import NotifyChannel, notify, wait_for_notify
from resources.database.locks import LockKind

# Returns a row per notification, for `Notification`.
NOTIFICATION = """
SELECT notification_id, organization_id, key, channel, recipient, subject, message, template_values, state, attempts,
       sender_lock, error, created_at, next_attempt_at, finished_at
  FROM notifications n
"""

# Stores a notification, unless one has its key.
PUT = """
INSERT INTO notifications (notification_id, organization_id, key, channel, recipient, subject, message,
       template_values, mentioned_organizations)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (organization_id, key) DO NOTHING
"""

OLD = (
    "FROM notifications WHERE state IN ('sent', 'failed', 'unknown') "
    "AND finished_at < now() - make_interval(days => %s)"
)

# The next due notification of a channel. One at a time for each recipient of a webhook, so that one that hangs holds
# up no other.
DUE = """
 WHERE state = 'waiting' AND next_attempt_at <= now() AND channel = %(channel)s
   AND (channel <> 'webhook' OR NOT EXISTS
        (SELECT FROM notifications o WHERE o.state = 'sending' AND o.channel = n.channel AND o.recipient = n.recipient))
 ORDER BY next_attempt_at, notification_id LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification as it is stored."""

    notification_id: str
    organization_id: str
    key: str
    channel: Channel
    recipient: str | None
    subject: str
    message: str
    template_values: str | None
    state: State
    attempts: int
    sender_lock: str | None
    error: str | None
    created_at: datetime
    next_attempt_at: datetime
    finished_at: datetime | None

    @property
    def values(self) -> dict[str, Any]:
        return dict(json.loads(self.template_values)) if self.template_values else {}


def enqueue(connection: Connection, notifications: Sequence[NewNotification]) -> None:
    """Store notifications in the caller's transaction, and wake the sender when that is committed."""
    if not notifications:
        return
    rows = [
        (
            mint_notification_id(),
            notification.organization_id,
            notification.key,
            notification.channel,
            notification.recipient,
            notification.subject,
            notification.message,
            json.dumps(notification.values) if notification.values else None,
            list(notification.mentioned_organizations),
        )
        for notification in notifications
    ]
    with connection.cursor() as cursor:
        cursor.executemany(PUT, rows)
    notify(connection, NotifyChannel.NOTIFICATIONS)


def mint_notification_id() -> str:
    from uuid_utils import uuid7

    return f"ntf_{uuid7().hex}"


class Outbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    # -- writing ----------------------------------------------------------------------------------------------

    def enqueue(self, notification: NewNotification) -> str:
        """Store a notification and wake the sender; returns its id, or that of the one that has its key already."""
        with self._database.transaction() as connection:
            enqueue(connection, [notification])
            row = connection.execute(
                "SELECT notification_id FROM notifications WHERE organization_id = %s AND key = %s",
                (notification.organization_id, notification.key),
            ).fetchone()
        assert row is not None  # written just now, or before
        return str(row["notification_id"])

    # -- sending ----------------------------------------------------------------------------------------------

    def is_due(self) -> bool:
        """Whether a notification is due."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT 1 FROM notifications WHERE state = 'waiting' AND next_attempt_at <= now() LIMIT 1"
            ).fetchone()
        return row is not None

    def wait_for_notification(self, seconds: float, poll_interval: float = 2.0) -> None:
        """Return when a notification may be due, at the latest after `seconds` (`wait_for_notify`)."""
        wait_for_notify(self._database, NotifyChannel.NOTIFICATIONS, self.is_due, seconds, poll_interval)

    @contextmanager
    def sending(self) -> Iterator[str]:
        """A sender's name, locked for the block: if somebody else can lock it, the sender is dead."""
        sender = uuid4().hex
        with self._database.lock(LockKind.SENDER, sender):
            yield sender

    def claim(self, channel: Channel, sender: str) -> Notification | None:
        """Claim the next due notification of a channel; None if there is none. Committed before anything is sent."""
        with (
            self._database.transaction() as connection,
            connection.cursor(row_factory=class_row(Notification)) as cursor,
        ):
            row = cursor.execute(NOTIFICATION + DUE + "FOR UPDATE SKIP LOCKED", {"channel": channel}).fetchone()
            if row is None:
                return None
            connection.execute(
                "UPDATE notifications SET state = 'sending', sender_lock = %s, attempts = attempts + 1 "
                "WHERE notification_id = %s",
                (sender, row.notification_id),
            )
            return cursor.execute(NOTIFICATION + "WHERE notification_id = %s", (row.notification_id,)).fetchone()

    def record_outcome(self, notification: Notification, after: Settlement) -> bool:
        """Record how an attempt ended. Returns False, and records nothing, if another sender has claimed it by now.

        A sender that was counted as dead may still record its outcome, as long as nobody else has claimed it.
        """
        with self._database.transaction() as connection:
            written = connection.execute(
                "UPDATE notifications SET state = %(state)s, error = %(error)s, "
                "next_attempt_at = now() + make_interval(secs => %(pause)s), "
                "finished_at = CASE WHEN %(state)s = 'waiting' THEN NULL ELSE now() END "
                "WHERE notification_id = %(id)s AND sender_lock = %(sender)s AND attempts = %(attempts)s "
                "AND state IN ('sending', 'waiting', 'unknown')",
                {
                    "state": after.state,
                    "error": after.error,
                    "pause": after.pause,
                    "id": notification.notification_id,
                    "sender": notification.sender_lock,
                    "attempts": notification.attempts,
                },
            ).rowcount
        return written == 1

    def defer_recipient(self, notification: Notification, seconds: float) -> None:
        """Delay everything that waits for this recipient: the service wants a pause."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE notifications SET next_attempt_at = greatest(next_attempt_at, "
                "now() + make_interval(secs => %s)) "
                "WHERE state = 'waiting' AND channel = %s AND recipient IS NOT DISTINCT FROM %s",
                (seconds, notification.channel, notification.recipient),
            )

    def find_orphaned(self) -> list[Notification]:
        """Notifications claimed by a sender that is dead: each was sent, or it was not."""
        with (
            self._database.transaction() as connection,
            connection.cursor(row_factory=class_row(Notification)) as cursor,
        ):
            sending = cursor.execute(NOTIFICATION + "WHERE state = 'sending'").fetchall()
        dead = {s for s in {n.sender_lock for n in sending} if s and not self._database.is_locked(LockKind.SENDER, s)}
        return [notification for notification in sending if notification.sender_lock in dead]

    # -- reading ----------------------------------------------------------------------------------------------

    def list_all(
        self,
        organization_id: str | None = None,
        state: State | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Notification]:
        """Newest first; `before` is the id of the last one of the page before."""
        with (
            self._database.transaction() as connection,
            connection.cursor(row_factory=class_row(Notification)) as cursor,
        ):
            return cursor.execute(
                NOTIFICATION + "WHERE (%(organization)s::text IS NULL OR organization_id = %(organization)s) "
                "AND (%(state)s::text IS NULL OR state = %(state)s) "
                "AND (%(before)s::text IS NULL OR notification_id < %(before)s) "
                "ORDER BY notification_id DESC LIMIT %(limit)s",
                {"organization": organization_id, "state": state, "before": before, "limit": limit},
            ).fetchall()

    def get(self, notification_id: str, organization_id: str | None = None) -> Notification:
        """One notification. Raises NotFound if there is none, or it is another organization's."""
        with (
            self._database.transaction() as connection,
            connection.cursor(row_factory=class_row(Notification)) as cursor,
        ):
            row = cursor.execute(
                NOTIFICATION
                + "WHERE notification_id = %(id)s AND (%(org)s::text IS NULL OR organization_id = %(org)s)",
                {"id": notification_id, "org": organization_id},
            ).fetchone()
        if row is None:
            raise NotFound(f"There is no notification {notification_id}; `rowline notifications` lists them")
        return row

    def retry(self, notification_id: str, organization_id: str | None = None) -> Notification:
        """Put a failed or unknown notification back into the queue. Raises NotFound, or Conflict in another state."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE notifications SET state = 'waiting', attempts = 0, sender_lock = NULL, "
                "next_attempt_at = now(), "
                "finished_at = NULL WHERE notification_id = %(id)s AND state IN ('failed', 'unknown') "
                "AND (%(org)s::text IS NULL OR organization_id = %(org)s)",
                {"id": notification_id, "org": organization_id},
            ).rowcount
            notify(connection, NotifyChannel.NOTIFICATIONS)
        row = self.get(notification_id, organization_id)
        if not changed:
            raise Conflict(
                f"Notification {notification_id} is {row.state}; only one that failed or is unknown can be sent anew"
            )
        return row

    def forget(self, days: int, dry_run: bool = False) -> int:
        """Delete notifications finished so many days ago, and alerts recovered then; returns how many notifications."""
        with self._database.transaction() as connection:
            if dry_run:
                row = connection.execute(f"SELECT count(*) AS notifications {OLD}", (days,)).fetchone()
                return int(row["notifications"]) if row else 0
            connection.execute("DELETE FROM alerts WHERE recovered_at < now() - make_interval(days => %s)", (days,))
            return connection.execute(f"DELETE {OLD}", (days,)).rowcount

    def counts(self) -> dict[tuple[Channel, State], int]:
        """(channel, state) → how many notifications."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT channel, state, count(*) AS n FROM notifications GROUP BY 1, 2"
            ).fetchall()
        return {(row["channel"], row["state"]): row["n"] for row in rows}
