"""The owner migrates, the application works: with no right to make, alter, empty or drop a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from settings.settings import PROJECT_ROOT
from tests.laws.command import Command
from tests.laws.deployment import csv_bytes, items
from tests.stand_ins.openai_server import KEY, OpenAIServer

ROLES = (PROJECT_ROOT / "deploy/postgres/roles.sql").read_text("utf-8")
AsRole = Callable[[str], Command]


def as_role(url: str, role: str) -> str:
    return url.replace("postgresql://postgres:@", f"postgresql://{role}@")


@pytest.fixture
def team_database(empty_database_url: str) -> str:
    """An empty database after roles.sql, twice."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(ROLES)
        connection.execute(ROLES)
    return empty_database_url


@pytest.fixture
def command(
    team_database: str, clean_environment: Path, openai: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> AsRole:
    """The command as one role or the other."""

    def of(role: str) -> Command:
        environment = {
            "DATABASE_URL": as_role(team_database, role),
            "ROWLINE_HOME": str(clean_environment / "home"),
            "EMBEDDING_PROVIDER": "openai",
            "EMBEDDING_DIMENSIONS": "32",
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": openai.base_url,
        }
        return Command(environment, clean_environment, capsys)

    return of


def test_the_application_role_does_everything_and_takes_nothing_down(command: AsRole, team_database: str):
    """The whole graph over Dagster's real storage, a rollback's worth of versions, search and sync, as rowline_app."""
    owner, app = command("rowline_owner"), command("rowline_app")
    assert owner.json("db", "upgrade", "--grant-to", "rowline_app") == {"migrated": True, "grantedTo": "rowline_app"}
    file = app.file("items.csv", csv_bytes(items("anvil", "bellows", "crane")))
    document = app.indexed(file)
    app.file("items.csv", csv_bytes(items("anvil", "crane", "dolly")))
    app.indexed(file, "--document", document)
    hits = app.json("search", "dolly", "--org", "acme")["hits"]
    assert {hit["sources"][0]["rowNumber"] for hit in hits} == {2, 3, 4}
    assert app.json("status", document)["status"] == "completed"

    with psycopg.connect(as_role(team_database, "rowline_app"), autocommit=True) as connection:
        rows = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        ).fetchall()
        tables = [row[0] for row in rows]
        assert {"documents", "lineage", "vectors", "event_logs", "runs"} <= set(tables)
        for statement in (
            "CREATE TABLE mine ()",
            *(f"DROP TABLE {name}" for name in tables),
            *(f"TRUNCATE {name}" for name in tables),
            *(f"ALTER TABLE {name} ADD COLUMN mine text" for name in tables),
            "UPDATE rowline_migrations SET version_num = 'mine'",
            "DELETE FROM alembic_version",
            "DROP EXTENSION vector",
            "CREATE ROLE mine",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_upgrading_again_grants_nothing_away(command: AsRole, team_database: str):
    """Default privileges would give the application the tables of migrations too, had it been there before them."""
    owner = command("rowline_owner")
    owner.json("db", "upgrade", "--grant-to", "rowline_app")
    assert owner.json("db", "upgrade", "--grant-to", "rowline_app") == {"migrated": False, "grantedTo": "rowline_app"}
    with psycopg.connect(as_role(team_database, "rowline_owner"), autocommit=True) as connection:
        connection.execute("CREATE TABLE later (n int)")  # a migration of the future, without --grant-to
    with psycopg.connect(as_role(team_database, "rowline_app"), autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM later").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM rowline_migrations")


def test_a_schema_that_is_behind_is_for_the_owner(command: AsRole):
    said = command("rowline_app")("documents")
    assert said.code == 2
    assert "User rowline_app may not do this" in said.sentence
    assert "run `rowline db upgrade --grant-to rowline_app` with the address of the owner" in said.sentence


def test_dagsters_tables_missing_are_for_the_owner(command: AsRole, team_database: str):
    """The ledger is there, Dagster's storage is not: one sentence, not SQLAlchemy's page."""
    from resources.database.grants import grant
    from resources.database.schema import upgrade

    url = as_role(team_database, "rowline_owner")
    upgrade(url)
    grant(url, "rowline_app")
    app = command("rowline_app")
    file = app.file("items.csv", csv_bytes(items("anvil")))
    document = app.json("upload", file, "--org", "acme")["documents"][0]["documentId"]
    said = app("process", document)
    assert said.code == 2
    assert "run `rowline db upgrade --grant-to rowline_app` with the address of the owner" in said.sentence


def test_a_role_that_is_not_there(command: AsRole):
    said = command("rowline_owner")("db", "upgrade", "--grant-to", "nobody")
    assert said.code == 2
    assert said.sentence == "The database server has no role nobody; create it first, see deploy/postgres/roles.sql"
