"""Dagster's own storage in the same PostgreSQL as the ledger, found by the same settings.

`dagster.yaml` names this class, so that plain `dagster dev` and `dg dev` need no address in the environment.
"""

from typing import Any

from dagster._config import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from resources.database.addresses import direct_url, sqlalchemy_url
from resources.settings import load_settings

STATEMENT_TIMEOUT_MS = 60_000
POOL_RECYCLE_SECONDS = 600
MAX_OVERFLOW = 10  # connections a process may hold for a moment beyond its one


class RowlineDagsterStorage(DagsterPostgresStorage):
    """Runs, events and schedules in the database of the settings."""

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """Keep one connection open per storage."""
        for storage in (self.run_storage, self.event_log_storage, self.schedule_storage):
            storage.optimize_for_webserver(statement_timeout, pool_recycle, max_overflow)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "RowlineDagsterStorage":
        # past PgBouncer, as it uses LISTEN; with psycopg2 named: a bare postgresql:// means psycopg 3 (SQLAlchemy 2.1)
        url = sqlalchemy_url(direct_url(load_settings()), driver="psycopg2")
        storage = cls(postgres_url=url, should_autocreate_tables=True, inst_data=inst_data)
        # by default every event of a run opens a connection of its own: a sixth of a small run's time
        storage.optimize_for_webserver(STATEMENT_TIMEOUT_MS, POOL_RECYCLE_SECONDS, MAX_OVERFLOW)
        return storage
