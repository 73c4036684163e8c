"""Many small documents in one run: what `new_uploads` requests when many wait (ADR 0016)."""

import dagster as dg

from assets.documents.group import processed_documents
from pipelines.resources import RESOURCES


@dg.job(
    executor_def=dg.in_process_executor,
    resource_defs=RESOURCES,  # bound here: Dagster would bind them in a copy, of which the sensor's target knew nothing
    tags={"domain": "documents"},
    description="Uploaded workbooks to searchable vectors: the document graph for many small documents in one run.",
)
def document_group() -> None:
    processed_documents()
