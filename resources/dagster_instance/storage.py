"""Dagster's own storage in the same PostgreSQL as the ledger, configured by the same settings.

`dagster.yaml` names this class, so that plain `dagster dev` and `dg dev` need no address in the environment.
"""

from typing import TYPE_CHECKING, Any, cast

import sqlalchemy
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from resources.dagster_instance.event_log import EventLog
from resources.database.errors import failure_of
from resources.database.inspection import Inspection
from resources.database.urls import POOLED, direct_setting, direct_url, sqlalchemy_url
from settings.settings import load_settings

if TYPE_CHECKING:
    import psycopg2

STATEMENT_TIMEOUT_MS = 60_000
POOL_RECYCLE_SECONDS = 600
MAX_OVERFLOW = 10  # connections a process may briefly hold beyond its one


class RowlineDagsterStorage(DagsterPostgresStorage):
    """Runs, events and schedules in the database of the settings."""

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """Keep one connection open per storage."""
        for storage in (self.run_storage, self.event_log_storage, self.schedule_storage):
            storage.optimize_for_webserver(statement_timeout, pool_recycle, max_overflow)

    def use_asynchronous_commit(self) -> None:
        """Return from a commit before it is on disk: the ledger's next commit flushes it.

        PostgreSQL writes commits in order, so Dagster's records are safe once the ledger commits after them; a crash of
        the server loses only what was written to Dagster since.
        """
        parts: tuple[Any, ...] = (self.run_storage, self.event_log_storage, self.schedule_storage)
        for storage in parts:
            sqlalchemy.event.listen(storage._engine, "connect", _disable_synchronous_commit)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "RowlineDagsterStorage":
        settings = load_settings()
        # past PgBouncer, as Dagster gives its sessions a time limit, which a pooler would hand on to other clients
        url, setting = direct_url(settings), direct_setting(settings)
        if Inspection(url, setting).missing_dagster_tables():
            create_tables(url, setting)
        address = sqlalchemy_url(url, "psycopg2")
        storage = cls(address, should_autocreate_tables=False, inst_data=inst_data)
        storage._event_log_storage = EventLog(address, should_autocreate_tables=False)
        # by default every event of a run opens a connection of its own: a sixth of a small run's time
        storage.optimize_for_webserver(STATEMENT_TIMEOUT_MS, POOL_RECYCLE_SECONDS, MAX_OVERFLOW)
        storage.use_asynchronous_commit()
        return storage


def _disable_synchronous_commit(connection: "psycopg2.extensions.connection", _: object) -> None:
    autocommit, connection.autocommit = connection.autocommit, True
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    connection.autocommit = autocommit


def create_tables(url: str, setting: str = POOLED) -> None:
    """Create Dagster's tables, or migrate existing ones to its newest revision.

    Raises ConfigurationError if the user of the address may not.
    """
    try:
        storage = DagsterPostgresStorage(sqlalchemy_url(url, "psycopg2"), should_autocreate_tables=True)
        parts: tuple[Any, ...] = (storage.run_storage, storage.event_log_storage, storage.schedule_storage)
        for part in parts:
            part.upgrade()
    except sqlalchemy.exc.DBAPIError as error:
        raise failure_of(cast("psycopg2.Error", error.orig), url, setting) from error
