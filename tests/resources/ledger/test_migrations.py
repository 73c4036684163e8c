"""The schema: made from nothing, by several at once, once; and taken down again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from resources.database.connections import Database
from resources.database.schema import migrating, schema_is_current, upgrade

TABLES = {
    "batches",
    "document_namespaces",
    "documents",
    "embeddings",
    "employees",
    "event_idempotency_keys",
    "events",
    "function_runs",
    "lineage",
    "notifications",
    "templates",
    "vectors",
    "versions",
}


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {row[0] for row in rows}


def test_an_empty_database_is_brought_to_the_newest_migration(empty_database_url: str):
    assert not schema_is_current(empty_database_url)
    upgrade(empty_database_url)
    assert schema_is_current(empty_database_url)
    assert tables(empty_database_url) >= TABLES | {"rowline_migrations"}


def test_upgrading_twice_changes_nothing(database_url: str):
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO templates VALUES ('acme', 't', '{}')")
    upgrade(database_url)
    assert schema_is_current(database_url)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM templates").fetchone() == (1,)


def test_several_that_start_at_once_migrate_once(empty_database_url: str):
    """`rowline dev` starts web server, daemon and gateway together: each finds the schema, none makes it twice."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, [empty_database_url] * 4))
    assert schema_is_current(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT count(*) FROM rowline_migrations").fetchone() == (2,)


def test_a_database_that_is_behind_is_migrated_when_it_is_opened(empty_database_url: str, clean_environment: object):
    """Nobody needs to know the command: the first use does it (and `rowline db upgrade` too)."""
    from operations.services import Services
    from settings.settings import Settings

    services = Services(Settings(database_url=empty_database_url))
    assert services.ledger.documents.list_all() == []
    services.close()
    assert schema_is_current(empty_database_url)


def test_downgrade_takes_everything_down_and_upgrade_brings_it_back(database_url: str):
    from alembic import command

    with migrating(database_url) as config:
        command.downgrade(config, "base")
    assert not tables(database_url) & TABLES
    assert not schema_is_current(database_url)
    upgrade(database_url)
    assert tables(database_url) >= TABLES


def test_dagsters_own_tables_and_ours_live_side_by_side(database_url: str):
    """Both use Alembic; its version table would be the same one."""
    from dagster_postgres import DagsterPostgresStorage

    from resources.database.urls import sqlalchemy_url

    storage = DagsterPostgresStorage(sqlalchemy_url(database_url, "psycopg2"), should_autocreate_tables=True)
    for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
        part._engine.dispose()
    assert schema_is_current(database_url)
    assert tables(database_url) >= TABLES | {"alembic_version", "rowline_migrations", "runs", "event_logs"}


def test_deleting_a_document_takes_its_versions_batches_and_lineage_along(database_url: str):
    """No record is left that nothing explains."""
    database = Database(database_url)
    with database.transaction() as connection:
        connection.execute("INSERT INTO documents (document_id, organization_id, latest_version) VALUES ('d', 'a', 1)")
        connection.execute(
            "INSERT INTO versions (document_id, version, filename, object_key, byte_size, sha256, mode, template, "
            "model, dimension) VALUES ('d', 1, 'f', 'k', 1, '', 'company_wide', '{}', 'm', 1)"
        )
        connection.execute(
            "INSERT INTO batches (document_id, version, batch_number, total_batches, start_row, end_row, rows, "
            "planned_inputs) VALUES ('d', 1, 1, 1, 1, 1, 1, 1)"
        )
        connection.execute("DELETE FROM documents")
        left = connection.execute("SELECT (SELECT count(*) FROM versions) + (SELECT count(*) FROM batches) AS n")
        assert left.fetchone() == {"n": 0}
    database.close()


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none"])
def test_a_database_that_is_away_is_told_in_a_sentence(url: str):
    from domain.errors import TransientError

    with pytest.raises(TransientError, match=r"Nobody listens at 127\.0\.0\.1:1/none"):
        schema_is_current(url)
    with pytest.raises(TransientError, match=r"Nobody listens at 127\.0\.0\.1:1/none"):
        upgrade(url)
