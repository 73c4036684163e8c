"""`rowline_frames`: a user's own asset takes `parsed_rows` or `lineage` as a DataFrame."""

from typing import Any

import dagster as dg
import pandas as pd
import pytest

from assets.documents import graph
from assets.documents.frames_input_manager import rowline_frames
from assets.documents.partitions import documents
from tests.laws.deployment import Deployment, items

Loaded = dict[str, Any]


def asset_over(upstream: str, loaded: Loaded, **how: Any) -> dg.AssetsDefinition:
    """A user's asset that keeps what it was passed under its run's partition, or `all`."""
    metadata = how.pop("input_metadata", None)

    @dg.asset(
        name="of_a_user",
        ins={"table": dg.AssetIn(key=upstream, input_manager_key="rowline_frames", metadata=metadata)},
        **how,
    )
    def of_a_user(context: dg.AssetExecutionContext, table) -> dg.MaterializeResult[None]:
        loaded[context.partition_key if context.has_partition_key else "all"] = table
        return dg.MaterializeResult()

    return of_a_user


def materialize(rowline: Deployment, asset: dg.AssetsDefinition, *more: str, **run: Any) -> dg.ExecuteInProcessResult:
    """One run of the user's asset, and of ours that are named; every asset of the graph is there."""
    ours = dg.load_assets_from_modules([graph])
    names = ("ledger", "objects", "vectors", "embedder", "settings")
    return dg.materialize(
        [*ours, asset],
        selection=[asset.key.to_user_string(), *more],
        instance=rowline.dagster,
        resources={name: getattr(rowline.services, name) for name in names} | {"rowline_frames": rowline_frames},
        raise_on_error=False,
        **run,
    )


def sentence(result: dg.ExecuteInProcessResult) -> str:
    [failed] = [event for event in result.all_events if event.is_step_failure]
    return str(failed.step_failure_data.user_failure_data.description)


def test_an_asset_with_the_same_partitions_gets_its_document(rowline: Deployment):
    first, second = (rowline.index(items(name)).document_id for name in ("anvil", "bellows"))
    loaded: Loaded = {}
    asset = asset_over("parsed_rows", loaded, partitions_def=documents)
    for document_id in (first, second):
        assert materialize(rowline, asset, partition_key=document_id).success
    assert {key: rows["item"].tolist() for key, rows in loaded.items()} == {first: ["anvil"], second: ["bellows"]}
    assert isinstance(loaded[first], pd.DataFrame)


def test_the_run_that_reads_a_new_version_passes_its_rows_on(rowline: Deployment):
    """The version is not live then; an asset that follows parsed_rows is not to see the one before."""
    document_id = rowline.index(items("anvil")).document_id
    rowline.upload(items("anvil", "bellows"), document_id)
    loaded: Loaded = {}
    rows = asset_over("parsed_rows", loaded, partitions_def=documents)
    assert materialize(rowline, rows, "parsed_rows", partition_key=document_id).success
    assert loaded[document_id]["item"].tolist() == ["anvil", "bellows"]
    assert rowline.services.ledger.documents.latest(document_id).live_version == 1
    lineage = asset_over("lineage", loaded, partitions_def=documents)
    assert materialize(rowline, lineage, partition_key=document_id).success
    assert loaded[document_id]["version"].tolist() == [1]


def test_an_asset_without_partitions_names_its_document_in_the_config(rowline: Deployment):
    document_id = rowline.index(items("anvil")).document_id
    rowline.index(items("bellows"), document_id)
    loaded: Loaded = {}
    asset = asset_over("lineage", loaded)
    for config, live in (({"document": document_id}, True), ({"document": document_id, "version": 1}, False)):
        inputs = {"ops": {"of_a_user": {"inputs": {"table": config}}}}
        assert materialize(rowline, asset, run_config=inputs).success
        assert loaded["all"]["live"].tolist() == [live]


def test_an_asset_without_partitions_gets_every_document_by_its_id(rowline: Deployment):
    first, second = (rowline.index(items(name)).document_id for name in ("anvil", "bellows"))
    waiting = rowline.upload(items("chisel")).document_id
    rowline.dagster.add_dynamic_partitions("documents", [waiting])
    loaded: Loaded = {}
    refused = materialize(rowline, asset_over("parsed_rows", loaded))
    assert sentence(refused).startswith(f"Document {waiting} was never processed")
    lenient = asset_over("parsed_rows", loaded, input_metadata={"allow_missing_partitions": True})
    assert materialize(rowline, lenient).success
    assert {key: rows["item"].tolist() for key, rows in loaded["all"].items()} == {
        first: ["anvil"],
        second: ["bellows"],
    }


@pytest.mark.parametrize(
    ("upstream", "config", "why"),
    [
        ("parsed_rows", {"document": "nowhere"}, "There is no document nowhere"),
        ("lineage", {"document": "nowhere"}, "There is no document nowhere; `rowline documents` lists them"),
        ("batches", {}, "rowline_frames loads parsed_rows and lineage, and batches is neither"),
        ("lineage", {"version": 2}, "A version belongs to one document; name that in the input's config too"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(rowline: Deployment, upstream: str, config: Loaded, why: str):
    rowline.index(items("anvil"))
    asset = asset_over(upstream, {})
    result = materialize(rowline, asset, run_config={"ops": {"of_a_user": {"inputs": {"table": config}}}})
    assert sentence(result).startswith(why)


def test_nothing_is_written_through_it():
    """Dagster refuses it by its type, before anything runs."""

    @dg.asset(io_manager_key="rowline_frames")
    def written() -> int:
        return 1

    with pytest.raises(dg.DagsterInvalidDefinitionError, match="io manager with key 'rowline_frames' required"):
        dg.Definitions(assets=[written], resources={"rowline_frames": rowline_frames}).resolve_all_job_defs()
