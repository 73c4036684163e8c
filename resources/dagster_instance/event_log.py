"""Dagster's event log with less to do.

Existing tables are cached, check evaluations of many documents are one write.
"""

from collections.abc import Sequence
from typing import Any

from dagster import DagsterEventType, EventLogEntry, serialize_value
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster_postgres import PostgresEventLogStorage

STATUS = {True: AssetCheckExecutionRecordStatus.SUCCEEDED.value, False: AssetCheckExecutionRecordStatus.FAILED.value}


class EventLog(PostgresEventLogStorage):
    """The event log of this deployment."""

    supports_check_batches = True

    def has_table(self, table_name: str) -> bool:
        """Cached, because Dagster asks at every check and materialization; tables are never dropped."""
        existing: set[str] = self.__dict__.setdefault("_tables", set())
        if table_name not in existing and super().has_table(table_name):
            existing.add(table_name)
        return table_name in existing

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """As Dagster's own, and also for evaluations of asset checks, none of which was announced as planned."""
        if any(event.dagster_event_type != DagsterEventType.ASSET_CHECK_EVALUATION for event in events):
            super().store_event_batch(events)
            return
        with self._connect() as connection, connection.begin():
            statement = self.prepare_insert_event_batch(events).returning(SqlEventLogStorageTable.c.id)
            ids = sorted(int(row[0]) for row in connection.execute(statement))
            rows = [self._execution(event, event_id) for event, event_id in zip(events, ids, strict=True)]
            connection.execute(AssetCheckExecutionsTable.insert().values(rows))

    def _execution(self, event: EventLogEntry, event_id: int) -> dict[str, Any]:
        evaluation = event.get_dagster_event().asset_check_evaluation_data
        target = evaluation.target_materialization_data
        return {
            "asset_key": evaluation.asset_key.to_string(),
            "check_name": evaluation.check_name,
            "run_id": event.run_id,
            "execution_status": STATUS[evaluation.passed],
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),  # type: ignore[no-untyped-call]
            "evaluation_event_storage_id": event_id,
            "materialization_event_storage_id": target.storage_id if target else None,
            "partition": evaluation.partition,
        }
