"""What a broken link or server does to one call, and that the next call works.

Nothing is done twice, paid work is stored, and a failed read is no empty answer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from domain.errors import TransientError
from resources.database.connections import Database
from resources.ledger.ledger import Ledger
from tests.stand_ins.faults import Fault
from tests.stand_ins.postgres_proxy import PostgresProxy

INSERT = "INSERT INTO templates VALUES ('acme', %s, '{}')"


@pytest.fixture
def database(proxy: PostgresProxy) -> Iterator[Database]:
    """Impatient: half a second for a connection, and for an answer."""
    database = Database(proxy.url(), pool_seconds=0.5, answer_seconds=0.5)
    yield database
    database.close()


def insert(database: Database, name: str) -> None:
    with database.transaction() as connection:
        connection.execute(INSERT, (name,))


def names(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM templates").fetchall()}


@pytest.mark.parametrize("point", ["INSERT", "COMMIT"])
@pytest.mark.parametrize(
    "kind",
    ["reset_before", "reset_after", "timeout", "truncated", "garbage", "unavailable", "quota_full", "disk_full"],
)
def test_a_call_that_fails_raises_and_the_next_one_works(
    proxy: PostgresProxy, database: Database, database_url: str, kind: str, point: str
):
    insert(database, "before")
    proxy.faults.append(Fault(kind, point))
    with pytest.raises(TransientError, match=f"127.0.0.1:{proxy.port}/"):
        insert(database, "hit")
    # only a commit that reached the server counts, whatever became of its answer
    applied = point == "COMMIT" and kind in ("reset_after", "truncated", "garbage")
    assert names(database_url) == {"before", *(["hit"] if applied else [])}
    insert(database, "after")
    assert "after" in names(database_url)


def test_a_late_answer_is_waited_for(proxy: PostgresProxy, database: Database, database_url: str):
    proxy.faults.append(Fault("slow", "INSERT", seconds=0.2))
    insert(database, "late")
    assert names(database_url) == {"late"}


def test_connections_that_died_in_the_pool_are_replaced_unseen(proxy: PostgresProxy, database: Database):
    """The server was restarted while nobody worked: nobody needs to know."""
    both = threading.Barrier(2)

    def work(name: str) -> None:
        with database.transaction() as connection:
            both.wait(10)
            connection.execute(INSERT, (name,))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, ["a", "b"]))
    opened = proxy.connections
    assert opened >= 2
    proxy.cut_all()
    insert(database, "c")
    insert(database, "d")
    assert proxy.connections > opened


def test_a_server_that_is_away_for_a_moment_is_waited_for(proxy: PostgresProxy, database_url: str):
    patient = Database(proxy.url(), pool_seconds=30)
    insert(patient, "before")
    proxy.down()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(insert, patient, "after")
        proxy.up()
        waiting.result(30)
    assert names(database_url) == {"before", "after"}
    patient.close()


def test_a_server_that_stays_away_is_an_error(proxy: PostgresProxy, database: Database):
    insert(database, "before")
    proxy.down()
    with pytest.raises(TransientError, match="Nobody listens at"):
        insert(database, "after")


def test_a_failed_read_is_no_empty_answer(proxy: PostgresProxy, database: Database):
    """A failed read is an error: half of a list must not pass for the whole."""
    documents = Ledger.over(database).documents
    assert documents.pending() == []
    for kind in ("reset_before", "reset_after", "truncated", "garbage", "timeout"):
        proxy.faults.append(Fault(kind, "FROM versions"))
        with pytest.raises(TransientError):
            documents.pending()
    assert documents.pending() == []


def test_the_wait_for_an_upload_ends_with_its_link_and_can_be_begun_again(proxy: PostgresProxy, database: Database):
    documents, polled = Ledger.over(database).documents, threading.Event()
    waiting = documents.pending
    documents.pending = lambda limit=500: (waiting(limit), polled.set())[0]  # type: ignore[method-assign,misc]
    with ThreadPoolExecutor(1) as pool:
        listening = pool.submit(documents.wait_for_upload, 60, 60)
        assert polled.wait(10)
        proxy.cut_all()
        with pytest.raises(TransientError, match="did not answer"):
            listening.result(10)
    documents.wait_for_upload(0)


def test_a_lock_whose_link_died_raises_in_its_holder_and_is_free_again(proxy: PostgresProxy, database: Database):
    """The block has been worked through, perhaps beside another: it must not pass for done."""
    sweeps = Ledger.over(database).garbage
    with pytest.raises(TransientError, match="did not answer"), sweeps.collection_lock("acme"):
        proxy.cut_all()
    with sweeps.collection_lock("acme"):
        pass


def test_waiting_for_a_lock_has_no_time_limit(proxy: PostgresProxy, database: Database, database_url: str):
    """Neither the limit for answers nor the server's own ends it: a document takes as long as it takes."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(database_url, autocommit=True) as connection:
        for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(f"ALTER DATABASE {name} SET {setting} = '200ms'")  # type: ignore[call-overload]
    sweeps, inside, done = Ledger.over(database).garbage, threading.Event(), threading.Event()

    def second() -> None:
        inside.set()
        with sweeps.collection_lock("acme"):
            done.set()

    with ThreadPoolExecutor(1) as pool:
        with sweeps.collection_lock("acme"):
            waiting = pool.submit(second)
            assert inside.wait(10)
            assert not done.wait(1)
        waiting.result(10)
    assert done.is_set()
