"""How many connections a process opens: what docs/postgres.md states."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from domain.errors import TransientError
from operations.services import Services
from resources.database.connections import Database
from settings.settings import Settings
from tests.laws.deployment import Deployment, items
from tests.laws.doubles import WordEmbedder
from tests.resources.database.conftest import IN_URL
from tests.stand_ins.postgres_proxy import PostgresProxy


def test_a_run_works_with_the_smallest_pool(
    database_url: str, clean_environment: Path, dagster_instance: dg.DagsterInstance
):
    """Two connections of the pool, beside the document's lock and the sweep's; several pages are read meanwhile."""
    with PostgresProxy(database_url) as proxy:
        settings = Settings(
            database_url=proxy.url(), database_pool_size=2, rowline_home=clean_environment / "home", batches_in_flight=5
        )
        services = Services(settings)
        services.__dict__["embedder"] = WordEmbedder()
        rowline = Deployment(services, dagster_instance)
        document = rowline.upload(items(*(f"thing{n}" for n in range(1200)))).document_id
        assert rowline.quick(document).status == "completed"
        rowline.upload(items(*(f"thing{n}" for n in range(600, 1800))), document)
        assert rowline.quick(document).status == "completed"
        assert set(rowline.stored()) == rowline.promised()
        assert len(rowline.stored()) == 1200
        services.close()
        assert proxy.most == 2 + 2


def test_a_server_without_a_free_connection_is_transient_and_names_the_setting(proxy: PostgresProxy, database_url: str):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("GRANT SELECT ON templates TO team_app")
        connection.execute("ALTER ROLE team_app CONNECTION LIMIT 1")
        first, second = (Database(proxy.url("team_app", IN_URL), pool_seconds=2) for _ in range(2))
        try:
            with (
                first.transaction(),
                pytest.raises(TransientError, match=r"takes no more connections .* DATABASE_POOL_SIZE"),
                second.transaction(),
            ):
                pass
            first.close()
            with second.transaction() as later:
                assert later.execute("SELECT count(*) AS n FROM templates").fetchone() == {"n": 0}
        finally:
            connection.execute("ALTER ROLE team_app CONNECTION LIMIT -1")
            first.close()
            second.close()


def test_a_read_by_itself_leaves_its_connection_as_it_was(database_url: str):
    """Else the next transaction on it would commit each of its statements."""
    database = Database(database_url, pool_size=1)
    for read in ("SELECT 1", "SELECT 1 / 0"):
        with suppress(psycopg.DataError), database.statement() as connection:
            connection.execute(read)
        with suppress(KeyError), database.transaction() as connection:
            connection.execute("INSERT INTO templates VALUES ('acme', 'a', '{}')")
            raise KeyError
        with psycopg.connect(database_url) as outside:
            assert outside.execute("SELECT count(*) FROM templates").fetchone() == (0,)
    database.close()


def test_a_read_that_was_interrupted_gives_its_connection_up(database_url: str):
    """Dagster ends a run by an exception wherever it is; what the server still answers belongs to nobody."""
    database = Database(database_url, pool_size=1)
    with suppress(KeyboardInterrupt), database.statement() as connection:
        connection.pgconn.send_query(b"SELECT 2 AS two")
        raise KeyboardInterrupt
    with database.statement() as connection:
        assert connection.execute("SELECT 1 AS one").fetchone() == {"one": 1}
    database.close()
