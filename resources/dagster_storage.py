"""Dagster's own storage in the same PostgreSQL as the ledger, found by the same settings.

`dagster.yaml` names this class, so that plain `dagster dev` and `dg dev` need no address in the environment.
"""

from typing import Any

from dagster._config import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from resources.database import database_url, sqlalchemy_url
from resources.settings import load_settings


class RowlineDagsterStorage(DagsterPostgresStorage):
    """Runs, events and schedules in the database of the settings."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "RowlineDagsterStorage":
        # dagster-postgres speaks psycopg2; a bare postgresql:// would mean psycopg 3 (SQLAlchemy 2.1)
        url = sqlalchemy_url(database_url(load_settings()), driver="psycopg2")
        return cls(postgres_url=url, should_autocreate_tables=True, inst_data=inst_data)
