"""Maintenance jobs: rollback, removal, erasure, and the comparison of ledger and store."""

import dagster as dg

from assets.documents.maintenance import (
    erased_owner,
    removed_documents,
    removed_versions,
    rolled_back_document,
    synced_vectors,
)
from assets.events.maintenance import forgotten_events
from pipelines.resources import RESOURCES

TAGS = {"domain": "documents"}
# RESOURCES are bound to the jobs that a sensor targets: Dagster would bind them in a copy, and copy the sensor with it.


@dg.job(
    executor_def=dg.in_process_executor,
    resource_defs=RESOURCES,
    tags=TAGS,
    description="Make an older version of a document live again.",
)
def document_rollback() -> None:
    rolled_back_document()


@dg.job(
    executor_def=dg.in_process_executor,
    resource_defs=RESOURCES,
    tags=TAGS,
    description="Remove documents whole; a dry run by default.",
)
def document_cleanup() -> None:
    removed_documents()


@dg.job(
    executor_def=dg.in_process_executor,
    tags=TAGS,
    description="Remove versions beyond the newest completed ones; a dry run by default.",
)
def old_versions_cleanup() -> None:
    removed_versions()


@dg.job(
    executor_def=dg.in_process_executor,
    tags=TAGS,
    description="Erase an organization or an employee, with a receipt; a dry run by default.",
)
def erasure() -> None:
    erased_owner()


@dg.job(
    executor_def=dg.in_process_executor,
    resource_defs=RESOURCES,
    tags=TAGS,
    description="Compare ledger and store; repair if configured to.",
)
def vector_sync() -> None:
    synced_vectors()


@dg.job(
    executor_def=dg.in_process_executor,
    tags={"domain": "events"},
    description="Remove events older than EVENT_RETENTION_DAYS; a dry run by default.",
)
def old_events_cleanup() -> None:
    forgotten_events()
