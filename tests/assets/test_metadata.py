"""What a person sees beside each materialization."""

from __future__ import annotations

import dagster as dg
import pytest

from tests.laws.deployment import Deployment, items, template

VERSION = {"organization", "filename", "version", "mode"}
KEYS = {
    "parsed_rows": VERSION
    | {"dagster/row_count", "error_rows", "rows_digest", "preview", "sheets", "warnings", "document"},
    "batches": VERSION
    | {
        "dagster/row_count",
        "kept_rows",
        "unchanged_rows",
        "duplicate_rows",
        "error_rows",
        "changed_rows",
        "gone_rows",
        "batches",
        "inputs_to_embed",
        "estimated_tokens",
        "estimated_cost_usd",
        "namespaces",
    },
    "embeddings": VERSION | {"dagster/row_count", "batches", "requests", "model", "dimension", "tokens", "cost_usd"},
    "namespace_vectors": VERSION | {"dagster/row_count", "namespaces", "model", "dimension"},
    "lineage": VERSION | {"dagster/row_count", "error_rows", "outcome", "result"},
}
OPTIONAL = {"warnings"}  # only where the reader has something to say


def told(run: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    (event,) = [e for e in run.get_asset_materialization_events() if e.asset_key == dg.AssetKey(asset)]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_each_materialization_answers_the_next_question(rowline: Deployment):
    """Counts, model, links and a preview: the keys are a contract with whoever looks at the UI."""
    run = rowline.run(rowline.upload(items("anvil", "bellows")).document_id)
    for asset, keys in KEYS.items():
        facts = told(run, asset)
        assert set(facts) | OPTIONAL == keys | OPTIONAL, asset
        assert isinstance(facts["dagster/row_count"], int)
        assert (facts["organization"], facts["filename"], facts["version"]) == ("acme", "items.csv", 1)


def test_the_plan_says_what_changed_before_anything_is_paid(rowline: Deployment):
    """The plan of a second version: new, unchanged, changed, gone, duplicate; and what embedding will cost."""
    keyed = template(keyColumns=["item"])
    table = [["item", "price"], ["anvil", 1], ["bellows", 2], ["chisel", 3]]
    first = rowline.index(table, template=keyed)
    changed = [["item", "price"], ["anvil", 1], ["bellows", 9], ["drill", 4], ["drill", 4]]
    run = rowline.run(rowline.upload(changed, first.document_id, template=keyed).document_id)

    facts = told(run, "batches")
    assert {name: facts[name] for name in ("dagster/row_count", "kept_rows", "unchanged_rows", "duplicate_rows")} == {
        "dagster/row_count": 4,
        "kept_rows": 2,
        "unchanged_rows": 1,
        "duplicate_rows": 1,
    }
    assert {name: facts[name] for name in ("changed_rows", "gone_rows", "inputs_to_embed", "batches")} == {
        "changed_rows": 1,
        "gone_rows": 1,
        "inputs_to_embed": 2,
        "batches": 1,
    }
    assert facts["estimated_cost_usd"] == pytest.approx(facts["estimated_tokens"] * 2 / 1e6)
    assert told(run, "embeddings")["dagster/row_count"] == 2
    assert told(run, "namespace_vectors")["dagster/row_count"] == 2


def test_the_last_step_says_that_rows_are_missing(rowline: Deployment):
    """A run that succeeded may have left rows out; the materialization does not hide it."""
    run = rowline.run(rowline.upload(items("anvil", "REFUSED")).document_id)
    facts = told(run, "lineage")
    assert (facts["error_rows"], facts["outcome"]) == (1, "completed with 1 error row")
    assert told(rowline.run(rowline.upload(items("anvil")).document_id), "lineage")["outcome"] == "completed"


def test_the_preview_shows_cells_as_text_never_as_markup(rowline: Deployment):
    """A cell is data from outside: nothing in it may become a link or a table cell of the UI."""
    run = rowline.run(rowline.upload([["item", "note"], ["anvil", "[click](http://x) | <b>"]]).document_id)
    preview = str(told(run, "parsed_rows")["preview"])
    assert "\\[click\\](http://x) \\| \\<b\\>" in preview
    assert len(preview.splitlines()) == 3
    assert "header in row 1: item, note" in str(told(run, "parsed_rows")["sheets"])


def test_the_uploaded_file_is_linked(rowline: Deployment):
    """From the materialization to the bytes it was made of."""
    version = rowline.upload(items("anvil"))
    link = str(told(rowline.run(version.document_id), "parsed_rows")["document"])
    assert link == (rowline.services.settings.objects_folder / version.upload.object_key).as_uri()
