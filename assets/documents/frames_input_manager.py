"""Rows and lineage of documents as pandas DataFrames, for assets of a user downstream of ours."""

from typing import TYPE_CHECKING, Any, Union

import dagster as dg

from assets.documents.step_context import retried
from domain.errors import InvalidRequest
from operations.documents.data_frames import NotProcessedYet, find_version, lineage_frame, rows_frame

if TYPE_CHECKING:
    import pandas as pd

FIELDS = {
    "document": dg.Field(str, is_required=False, description="The document to load, in place of the run's partition."),
    "version": dg.Field(int, is_required=False, description="Its version, in place of the one the asset last made."),
}


@dg.input_manager(
    input_config_schema=FIELDS,
    required_resource_keys={"ledger", "objects"},  # Dagster passes no typed parameters to this function
    description="`parsed_rows` and `lineage` as pandas DataFrames, by document.",
)
def rowline_frames(context: dg.InputContext) -> Union["pd.DataFrame", dict[str, "pd.DataFrame"]]:
    """The DataFrame of the document that the input's config names, else of the run's partition.

    Without either, or with a range of partitions, a DataFrame for each document by its id; one that has nothing to
    load is left out if the input's metadata says `allow_missing_partitions`, as with Dagster's own IO managers.
    """
    config: dict[str, Any] = context.config or {}
    with retried():
        if document_id := config.get("document"):
            return load(context, document_id, config.get("version"))
        if context.has_partition_key:
            return load(context, context.asset_partition_key, config.get("version"))
        if "version" in config:
            raise InvalidRequest("A version belongs to one document; name that in the input's config too")
        return load_each(context)


def load_each(context: dg.InputContext) -> dict[str, "pd.DataFrame"]:
    """The DataFrames of all documents that the input stands for."""
    frames = {}
    for document_id in context.asset_partition_keys:
        try:
            frames[document_id] = load(context, document_id, None)
        except (InvalidRequest, NotProcessedYet) as error:
            if not context.definition_metadata.get("allow_missing_partitions"):
                raise
            context.log.warning(f"Left out: {error}")
    return frames


def load(context: dg.InputContext, document_id: str, number: int | None) -> "pd.DataFrame":
    """What the upstream asset last made for a document, or made for this version of it."""
    ledger, key = context.resources.ledger, context.asset_key.to_user_string()
    version = find_version(ledger, document_id, number)
    if key == "lineage":
        return lineage_frame(ledger, version)
    if key != "parsed_rows":
        raise InvalidRequest(f"rowline_frames loads parsed_rows and lineage, and {key} is neither")
    if number is None:  # a version is read before it is live: an asset after `parsed_rows` must not get the one before
        version = ledger.documents.current_for_run(document_id, context.step_context.run_id)
    return rows_frame(context.resources.objects, version)
