"""The one Definitions object: lists, no branches."""

import dagster as dg

from assets.documents import checks, graph
from assets.documents.frames_input_manager import rowline_frames
from assets.documents.partitions import vector_store
from pipelines.jobs.document_graph import document_graph
from pipelines.jobs.document_group import document_group
from pipelines.jobs.maintenance import (
    document_cleanup,
    document_rollback,
    erasure,
    old_events_cleanup,
    old_versions_cleanup,
    vector_sync,
)
from pipelines.resources import RESOURCES
from pipelines.schedules import daily_events_cleanup, nightly_vector_sync
from sensors.documents.embedding_jobs import embedding_orders
from sensors.documents.inbox import bucket_files, inbox_files
from sensors.documents.run_failures import canceled_runs, failed_runs
from sensors.documents.stalled_runs import stuck_runs
from sensors.documents.uploads import new_uploads
from sensors.events.new_events import new_events
from sensors.notifications.alerts import alerts
from sensors.notifications.outbox import outbox

defs = dg.Definitions(
    assets=[*dg.load_assets_from_modules([graph]), vector_store],
    asset_checks=dg.load_asset_checks_from_modules([checks]),
    jobs=[
        document_graph,
        document_group,
        document_rollback,
        document_cleanup,
        old_versions_cleanup,
        old_events_cleanup,
        erasure,
        vector_sync,
    ],
    schedules=[nightly_vector_sync, daily_events_cleanup],
    sensors=[
        new_uploads([document_graph, document_group]),
        new_events([document_rollback, document_cleanup, vector_sync]),
        inbox_files,
        embedding_orders,
        bucket_files,
        failed_runs,
        canceled_runs,
        stuck_runs,
        outbox,
        alerts,
    ],
    resources={**RESOURCES, "rowline_frames": rowline_frames},
    executor=dg.in_process_executor,
)
