"""The schema: which migrations a deployment needs, whether they have been applied, and applying them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from resources.database.connections import connect, options
from resources.database.errors import OLDEST_SERVER, failure_of, is_ours, old_server, translate_errors
from resources.database.locks import lock_migrations
from resources.database.urls import POOLED, sqlalchemy_url
from settings.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from alembic.config import Config

BRANCHES = ("ledger", "pgvector")  # labels of the migrations


def branches_of(settings: Settings) -> tuple[str, ...]:
    """The branches of migrations that a deployment needs: pgvector's table only where vectors live there."""
    return BRANCHES if settings.vector_store == "pgvector" else ("ledger",)


def upgrade(url: str, branches: Sequence[str] = BRANCHES, setting: str = POOLED) -> None:
    """Bring the schema to the newest migrations of these branches; does nothing if it is there already.

    All of it is one transaction: it is applied whole or not at all, by one process at a time.
    Raises ConfigurationError if the server is too old, lacks pgvector, or its user may not change the schema.
    """
    from alembic import command

    with migrating(url, setting) as config:
        for branch in branches:
            command.upgrade(config, f"{branch}@head")


@contextmanager
def migrating(url: str, setting: str = POOLED) -> Iterator["Config"]:
    """Alembic's configuration over one transaction that holds the migrators' lock."""
    import sqlalchemy
    from alembic.config import Config

    engine = sqlalchemy.create_engine(
        sqlalchemy_url("postgresql://"),
        poolclass=sqlalchemy.pool.NullPool,
        creator=lambda: psycopg.connect(**options(url)),
    )
    config = Config()
    config.set_main_option("script_location", str(PROJECT_ROOT / "migrations"))
    try:
        with translate_errors(url, setting), engine.begin() as connection:
            driver_connection = connection.connection.driver_connection
            assert isinstance(driver_connection, psycopg.Connection)
            lock_migrations(driver_connection)
            config.attributes["connection"] = connection
            yield config
    except sqlalchemy.exc.DBAPIError as error:
        if isinstance(error.orig, psycopg.Error) and not is_ours(error.orig):  # SQLAlchemy's text shows all the SQL
            raise failure_of(error.orig, url, setting) from error
        raise


def schema_is_current(url: str, branches: Sequence[str] = BRANCHES, setting: str = POOLED) -> bool:
    """Whether the newest migrations have been applied; cheap enough to ask at every start.

    Raises ConfigurationError if the server is older than PostgreSQL 14.
    """
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(PROJECT_ROOT / "migrations"))
    heads = {script.as_revision_number(f"{branch}@head") for branch in branches}
    with connect(url, setting) as connection:
        if connection.info.server_version < OLDEST_SERVER * 10_000:
            raise old_server(connection.info.server_version, url, setting)
        row: dict[str, Any] | None = connection.execute(
            "SELECT to_regclass('rowline_migrations') IS NOT NULL AS made"
        ).fetchone()
        if not row or not row["made"]:
            return False
        rows = connection.execute("SELECT version_num FROM rowline_migrations").fetchall()
    return heads <= {row["version_num"] for row in rows}
