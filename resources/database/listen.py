"""LISTEN and NOTIFY: who waits for work is woken by the transaction that brings it."""

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import psycopg

from resources.database.connections import Database


class NotifyChannel(StrEnum):
    """What is announced. Processes of an older release listen to these names."""

    UPLOADS = "rowline_uploads"
    EVENTS = "rowline_events"
    NOTIFICATIONS = "rowline_notices"


def notify(connection: psycopg.Connection[Any], channel: NotifyChannel, payload: str = "") -> None:
    """Wake whoever waits for this channel, as soon as the transaction is committed; nobody if it is rolled back."""
    connection.execute("SELECT pg_notify(%s, %s)", (channel.value, payload))


def wait_for_notify(
    database: Database,
    channel: NotifyChannel,
    is_ready: Callable[[], bool],
    seconds: float,
    poll_interval: float = 2.0,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return at the next notification, as soon as `is_ready`, or after `seconds`; at once if it is ready now.

    Asks `is_ready` every `poll_interval` seconds too: time alone makes some work due, and a pooler with transaction
    pooling swallows notifications. Listens past PgBouncer if the direct address is known.
    Raises TransientError if the connection is lost.
    """
    deadline = clock() + seconds
    with database.session() as connection:
        connection.execute(f"LISTEN {channel.value}")
        # asked after LISTEN: what was committed before it is seen, and what is committed from here on is announced
        while not is_ready() and (left := deadline - clock()) > 0:
            for _ in connection.notifies(timeout=min(left, poll_interval), stop_after=1):
                return


def wake_all(database: Database) -> None:
    """End every `wait_for_notify` of every process that waits now."""
    with database.transaction() as connection:
        for channel in NotifyChannel:
            notify(connection, channel)
