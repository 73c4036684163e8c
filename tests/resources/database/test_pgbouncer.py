"""All of Rowline through a real PgBouncer with transaction pooling: nothing of ours outlives a transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg
import psycopg
import pytest

from domain.errors import ConfigurationError, TransientError
from operations.services import Services
from resources.database.connections import connect
from resources.ledger.documents.documents import Version
from settings.settings import Settings
from tests.laws.deployment import Deployment, items
from tests.laws.doubles import WordEmbedder
from tests.stand_ins.postgres_bouncer import bouncer

pytestmark = pytest.mark.slow
SMALL, PLACES = 2, 6


@pytest.fixture(scope="module")
def small_bouncer(server_url: str) -> Iterator[int]:
    """Two server connections: anything that keeps one stops everything else."""
    with bouncer(server_url, SMALL) as port:
        yield port


@pytest.fixture(scope="module")
def only_bouncer(server_url: str) -> Iterator[int]:
    """Enough for the long locks as well, where no direct address is known."""
    with bouncer(server_url, PLACES) as port:
        yield port


def through(port: int, url: str) -> str:
    return f"postgresql://postgres@127.0.0.1:{port}{urlsplit(url).path}"


Open = Callable[[bool], Deployment]


@pytest.fixture
def opened(
    small_bouncer: int,
    only_bouncer: int,
    database_url: str,
    clean_environment: Path,
    dagster_instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Open]:
    """Rowline through PgBouncer, with or without the address past it."""
    monkeypatch.setattr(dg.RetryPolicy, "calculate_delay", lambda *_: 0)
    with ExitStack() as stack:

        def of(with_direct: bool) -> Deployment:
            settings = Settings(
                database_url=through(small_bouncer if with_direct else only_bouncer, database_url),
                database_direct_url=database_url if with_direct else None,
                rowline_home=clean_environment / "home",
                batch_rows=4,
                embed_request_inputs=8,
                batches_in_flight=2,
            )
            services = Services(settings)
            stack.callback(services.close)
            services.__dict__["embedder"] = WordEmbedder()
            return Deployment(services, dagster_instance)

        yield of


@pytest.fixture(params=[True, False], ids=["with_direct_url", "without"])
def rowline(request: pytest.FixtureRequest, opened: Open) -> Deployment:
    return opened(request.param)


def test_the_whole_graph_and_nothing_left_in_a_session(rowline: Deployment):
    """Versions, sweep and search; after it every server connection is as if it were new."""
    first = rowline.index(items(*(f"thing{n}" for n in range(40))))
    rowline.index(items(*(f"thing{n}" for n in range(20, 60))), first.document_id)
    assert set(rowline.stored()) == rowline.promised()
    assert len(rowline.stored()) == 40
    assert any("thing59" in text for text in rowline.found("thing59"))

    places = SMALL if rowline.services.settings.database_direct_url else PLACES
    together = threading.Barrier(places)  # all of PgBouncer's connections at once, so that each is seen

    def left_behind(_: int) -> tuple[int, set[str], int, int]:
        with rowline.services.database.transaction() as connection:
            together.wait(30)
            row = connection.execute(
                "SELECT pg_backend_pid() AS pid, (SELECT array_agg(name) FROM pg_settings WHERE source = 'session') "
                "AS set, (SELECT count(*) FROM pg_prepared_statements) AS prepared, (SELECT count(*) FROM pg_locks "
                "WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks"
            ).fetchone()
            assert row
            together.wait(30)
            return row["pid"], set(row["set"] or ()), row["prepared"], row["locks"]

    with ThreadPoolExecutor(places) as pool:
        seen = list(pool.map(left_behind, range(places)))
    assert len({pid for pid, *_ in seen}) == places
    for _, settings, prepared, locks in seen:
        # PgBouncer itself hands these on with each client
        assert settings <= {"application_name", "client_encoding", "DateStyle", "TimeZone"}
        assert (prepared, locks) == (0, 0)


def test_two_runs_of_one_document_at_once_end_as_one(rowline: Deployment):
    """The claim is held by a transaction, so the pooler cannot hand it to somebody else."""
    document = rowline.upload(items(*(f"thing{n}" for n in range(30)))).document_id
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda _: rowline.quick(document), range(2)))
    assert {version.status for version in ended} == {"completed"}
    assert set(rowline.stored()) == rowline.promised()
    embedder = rowline.services.embedder
    assert isinstance(embedder, WordEmbedder)
    assert len(embedder.asked) == 30


def test_a_lock_keeps_the_second_out_until_the_first_is_done(rowline: Deployment):
    sweeps, order = rowline.services.ledger.garbage, []
    inside, waited = threading.Event(), threading.Event()

    def second() -> None:
        inside.wait(30)
        with sweeps.collection_lock("acme"):
            order.append("second")
        waited.set()

    thread = threading.Thread(target=second)
    thread.start()
    with sweeps.collection_lock("acme"):
        inside.set()
        with sweeps.collection_lock("other"):  # another organization's sweep goes on
            assert not waited.wait(0.3)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]


def wait_beside_an_upload(rowline: Deployment, poll_interval: float) -> None:
    """Upload while somebody waits for it; returns when the wait ended."""
    documents, polled = rowline.services.ledger.documents, threading.Event()
    waiting = documents.pending

    def watched(limit: int = 500) -> list[Version]:
        versions = waiting(limit)
        polled.set()
        return versions

    documents.pending = watched  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(documents.wait_for_upload, 60, poll_interval)
        assert polled.wait(30)
        rowline.upload(items("anvil"))
        ended.result(10)


def test_an_upload_is_noticed_within_seconds_although_the_pooler_swallows_its_notice(opened: Open):
    """LISTEN through transaction pooling hears nothing; the table is looked at as well."""
    wait_beside_an_upload(opened(False), poll_interval=0.2)


def test_a_direct_address_hears_the_notice_at_once(opened: Open):
    wait_beside_an_upload(opened(True), poll_interval=60)


def test_a_database_is_migrated_through_the_pooler(only_bouncer: int, empty_database_url: str):
    """The migrators' lock and the migrations are one transaction; several at once make the schema once."""
    from resources.dagster_instance.storage import create_tables
    from resources.database.inspection import Inspection
    from resources.database.schema import schema_is_current, upgrade

    url = through(only_bouncer, empty_database_url)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(upgrade, [url] * 3))
    assert schema_is_current(url)
    create_tables(url)
    assert Inspection(url).missing_dagster_tables() == []
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT count(*) FROM rowline_migrations").fetchone() == (2,)


def test_what_the_pooler_refuses_is_told_like_what_the_server_refuses(server_url: str, database_url: str):
    with bouncer(server_url, pool_size=1, clients=2, wait_seconds=1) as port:
        url = through(port, database_url)
        with (
            pytest.raises(ConfigurationError, match=r"There is no database 127\.0\.0\.1:\d+/not_there "),
            connect(through(port, "postgresql:///not_there")),
        ):
            pass
        with connect(url) as connection:
            connection.execute("SELECT 1")  # has the only place
            with (
                pytest.raises(TransientError, match=r"query_wait_timeout.* DATABASE_POOL_SIZE"),
                connect(url) as other,
            ):
                other.execute("SELECT 1")
            with connect(url), pytest.raises(TransientError, match="max_client_conn"), connect(url):
                pass
