"""What Dagster stores about a document.

Its runs, previews of its rows in events, evaluations of checks, its partition.
"""

import dagster as dg

from resources.dagster_instance.tags import PARTITION_NAME_TAG


def delete_history(instance: dg.DagsterInstance, document_id: str, partition_too: bool) -> None:
    """Delete all of it. Dagster stores the newest event of each asset twice, and check evaluations beside the events.

    Of a run that worked on other documents as well, only the rows about this one are deleted.
    """
    import sqlalchemy
    from dagster._core.storage.event_log import schema
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

    for run in instance.get_runs(dg.RunsFilter(tags={PARTITION_NAME_TAG: document_id})):
        instance.delete_run(run.run_id)
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    mentions_document = f"%{document_id}%"
    with storage.index_connection() as connection:
        connection.execute(
            sqlalchemy.update(schema.AssetKeyTable)
            .where(schema.AssetKeyTable.c.last_materialization.like(mentions_document))
            .values(last_materialization=None, cached_status_data=None)
        )
        connection.execute(
            sqlalchemy.delete(schema.AssetCheckExecutionsTable).where(
                schema.AssetCheckExecutionsTable.c.evaluation_event.like(mentions_document)
            )
        )
        connection.execute(
            sqlalchemy.delete(schema.SqlEventLogStorageTable).where(
                sqlalchemy.or_(
                    schema.SqlEventLogStorageTable.c.partition == document_id,
                    sqlalchemy.and_(
                        schema.SqlEventLogStorageTable.c.dagster_event_type == "ASSET_CHECK_EVALUATION",
                        schema.SqlEventLogStorageTable.c.event.like(mentions_document),
                    ),
                )
            )
        )
    if partition_too:
        instance.delete_dynamic_partition("documents", document_id)
