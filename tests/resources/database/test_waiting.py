"""The wait for an upload: ended by whoever stops the processes, not by its own end alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from resources.database.connections import Database
from resources.ledger.documents.documents import Documents


def test_a_wait_is_ended_from_outside_although_nothing_came(database_url: str):
    """`rowline dev` goes down at once: the daemon waits for its sensors, and one of them listens for uploads."""
    database = Database(database_url)
    documents, listening = Documents(database), threading.Event()
    waiting = documents.pending
    documents.pending = lambda limit=500: (waiting(limit), listening.set())[0]  # type: ignore[method-assign,misc]
    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(documents.wait_for_upload, 60, 60)
        assert listening.wait(10)
        assert not wait.done()
        documents.wake_waiting()
        wait.result(10)
    assert documents.pending() == []
    database.close()
