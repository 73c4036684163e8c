"""The document graph as one run: every asset and check of one document, in one process."""

import dagster as dg

document_graph = dg.define_asset_job(
    "document_graph",
    selection=dg.AssetSelection.groups("documents"),
    # a subprocess per step costs seconds (ADR 0002)
    executor_def=dg.in_process_executor,
    description="Uploaded workbook to searchable vectors: all steps and checks of one document.",
    tags={"domain": "documents"},
)
