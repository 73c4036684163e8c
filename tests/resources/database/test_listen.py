"""The one wait of LISTEN: what ends it, and that nothing which is announced is missed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from resources.database.connections import Database
from resources.database.listen import NotifyChannel, notify, wait_for_notify
from resources.ledger.ledger import Ledger


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def test_what_is_announced_between_the_look_and_the_wait_is_not_missed(database: Database):
    """The work is committed while `is_ready` still says that there is none."""
    polls: list[str] = []

    def is_ready() -> bool:
        polls.append("poll")
        with database.transaction() as connection:
            notify(connection, NotifyChannel.UPLOADS, "doc_1")
        return False

    with ThreadPoolExecutor(1) as pool:
        pool.submit(wait_for_notify, database, NotifyChannel.UPLOADS, is_ready, 60, 60).result(10)
    assert polls == ["poll"]


def test_nobody_listens_where_the_work_is_there_already(database: Database):
    wait_for_notify(database, NotifyChannel.EVENTS, lambda: True, 60, 60)


def test_what_is_not_announced_is_seen_at_the_next_poll(database: Database):
    polls: list[str] = []
    wait_for_notify(
        database, NotifyChannel.NOTIFICATIONS, lambda: polls.append("poll") is None and len(polls) == 3, 60, 0.01
    )
    assert len(polls) == 3


def test_the_wait_ends_after_its_time(database: Database):
    """Each reading of this clock is a second later."""
    seconds = iter(range(100))
    wait_for_notify(database, NotifyChannel.EVENTS, lambda: False, 3, 0.01, clock=lambda: next(seconds))
    assert next(seconds) == 4


def test_another_channel_ends_no_wait(database: Database):
    polls: list[str] = []

    def is_ready() -> bool:
        polls.append("poll")
        with database.transaction() as connection:
            notify(connection, NotifyChannel.EVENTS)
        return len(polls) == 2

    wait_for_notify(database, NotifyChannel.UPLOADS, is_ready, 60, 0.01)
    assert len(polls) == 2


@pytest.mark.parametrize("channel", NotifyChannel)
def test_a_wait_is_ended_from_outside_although_nothing_came(database: Database, channel: NotifyChannel):
    """`rowline dev` goes down at once: the daemon waits for its sensors, and some of them listen."""
    listening = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(wait_for_notify, database, channel, lambda: listening.set() is not None, 60, 60)
        assert listening.wait(10)
        assert not wait.done()
        Ledger.over(database).wake_waiting()
        wait.result(10)
