"""Clean-up: nothing of a document is left, nothing of another one goes, wherever it is stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from domain.errors import InvalidRequest, NotFound, TransientError
from operations.documents.removal import (
    RemovalReport,
    plan_old_versions_removal,
    plan_removal,
    remove_document,
    remove_old_versions,
)
from operations.documents.rollback import roll_back
from tests.grids import moments
from tests.laws.deployment import Deployment, items
from tests.laws.doubles import FailsAt, Watched, WordEmbedder, watched_ledger

TABLES = ("documents", "versions", "batches", "lineage", "document_namespaces", "embeddings", "vectors")


def clean(rowline: Deployment, document_id: str, dry_run: bool = False, **doubles: Any) -> RemovalReport:
    stores = replace(rowline.services.document_stores, **doubles)
    return plan_removal(stores, document_id)[0] if dry_run else remove_document(stores, document_id)


def counts(rowline: Deployment) -> dict[str, int]:
    return {table: rowline.sql(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in TABLES}


def test_nothing_of_the_document_is_left(rowline: Deployment):
    document = rowline.index(items("anvil", "bellows")).document_id
    rowline.index(items("anvil", "chisel"), document)
    told = clean(rowline, document)
    assert (told.versions, told.vectors_deleted, told.namespaces_affected) == ([1, 2], 2, ["org_acme"])
    assert told.embeddings_deleted == 3
    assert set(counts(rowline).values()) == {0}
    assert [*rowline.services.objects.keys("")] == []
    with pytest.raises(InvalidRequest, match="There is no document"):
        clean(rowline, document)


def test_a_dry_run_tells_the_same_and_changes_nothing(rowline: Deployment):
    document = rowline.index(items("anvil", "bellows")).document_id
    rowline.index(items("bellows"))
    before = counts(rowline)
    dry = clean(rowline, document, dry_run=True)
    assert counts(rowline) == before
    wet = clean(rowline, document)
    assert (dry.vectors_deleted, dry.namespaces_affected, dry.objects_deleted) == (
        wet.vectors_deleted,
        wet.namespaces_affected,
        wet.objects_deleted,
    )
    assert wet.vectors_deleted == 1


def test_a_row_shared_with_another_document_stays_for_it(rowline: Deployment):
    """The fault of part B: a duplicate that was skipped disappeared for everyone with its first owner."""
    first = rowline.index(items("anvil", "bellows")).document_id
    rowline.index(items("anvil", "chisel"))
    clean(rowline, first)
    assert rowline.stored().keys() == rowline.promised()
    assert {text.split("\n")[0] for text in rowline.found("item", k=9)} == {"item: anvil", "item: chisel"}
    again = rowline.index(items("anvil"))
    assert again.result["embeddedInputs"] == 0


def test_the_same_file_of_another_organization_is_untouched(rowline: Deployment):
    ours = rowline.index(items("anvil")).document_id
    rowline.index(items("anvil"), organization="rival")
    clean(rowline, ours)
    assert len(rowline.found("anvil", organization="rival")) == 1
    assert counts(rowline)["embeddings"] == 1


def test_the_same_rows_under_another_model_keep_only_that_models_embeddings(rowline: Deployment):
    """A text is embedded once for each model; what one model made of it is of no use to the other."""
    ours = rowline.index(items("anvil")).document_id
    services = rowline.services
    services.__dict__["embedder"] = WordEmbedder(name="other")
    del services.__dict__["uploads"]  # made for the model before
    kept = rowline.index(items("anvil"))
    dry = clean(rowline, ours, dry_run=True)
    told = clean(rowline, ours)
    assert (dry.embeddings_deleted, told.embeddings_deleted) == (1, 1)
    assert [row["model"] for row in rowline.sql("SELECT model FROM embeddings")] == [kept.model]


@pytest.mark.parametrize("point", moments(range(1, 12)))
def test_stopped_anywhere_it_is_out_of_every_search_or_whole_and_doing_it_again_ends_it(
    rowline: Deployment, point: int
):
    document = rowline.index(items("anvil", "bellows")).document_id
    rowline.index(items("anvil", "chisel"), document)
    other = rowline.index(items("anvil", "easel")).document_id
    services = rowline.services
    failing = FailsAt(point, TransientError("the service is away"))
    doubles = {
        "vectors": Watched(services.vectors, failing),
        "objects": Watched(services.objects, failing),
        "ledger": watched_ledger(services.ledger, failing, "removals", "garbage"),
    }
    with pytest.raises(TransientError):
        clean(rowline, document, **doubles)
    found = {text.split("\n")[0].removeprefix("item: ") for text in rowline.found("item", k=9)}
    assert found in ({"anvil", "chisel", "easel"}, {"anvil", "easel"})
    if rowline.sql("SELECT 1 AS there FROM documents WHERE document_id = %(d)s", d=document):
        clean(rowline, document)
    assert rowline.stored().keys() == rowline.promised()
    assert counts(rowline)["documents"] == 1
    assert len(rowline.found("item", k=9)) == 2
    assert rowline.services.ledger.documents.latest(other).status == "completed"


def test_old_versions_go_and_what_is_kept_can_be_gone_back_to(rowline: Deployment):
    document = rowline.index(items("v1", "always")).document_id
    for n in (2, 3, 4):
        rowline.index(items(f"v{n}", "always"), document)
    services = rowline.services
    dry = plan_old_versions_removal(services.document_stores, document, keep=2)
    assert (dry.versions, counts(rowline)["versions"]) == ([1, 2], 4)
    told = remove_old_versions(services.document_stores, document, keep=2)
    assert (told.versions, told.embeddings_deleted) == ([1, 2], 2)
    assert counts(rowline) | {"batches": 0} == {
        "documents": 1,
        "versions": 2,
        "batches": 0,
        "lineage": 4,
        "document_namespaces": 2,
        "embeddings": 3,
        "vectors": 2,
    }
    with pytest.raises(InvalidRequest, match="completed and kept: 3, 4"):
        roll_back(services.ledger, services.vectors, document, 1)
    roll_back(services.ledger, services.vectors, document, 3)
    assert rowline.stored().keys() == rowline.promised()
    assert remove_old_versions(services.document_stores, document, keep=1).versions == []


def test_a_document_on_its_way_out_does_not_come_back(rowline: Deployment):
    """Clean-up died half way: no run, rollback or upload may make the document live again, or leave a file behind."""
    document = rowline.index(items("anvil", "bellows")).document_id
    rowline.index(items("anvil"), document)
    failing = FailsAt(1, TransientError("the service is away"), ["superseded"])
    with pytest.raises(TransientError):
        clean(rowline, document, ledger=watched_ledger(rowline.services.ledger, failing))
    assert rowline.found("anvil") == []
    files = [*rowline.services.objects.keys("uploads/")]
    with pytest.raises(dg.Failure, match="There is no document"):
        rowline.quick(document)
    with pytest.raises(InvalidRequest, match="There is no document"):
        roll_back(rowline.services.ledger, rowline.services.vectors, document, 1)
    with pytest.raises(InvalidRequest, match="has no document"):
        rowline.upload(items("chisel"), document)
    assert [*rowline.services.objects.keys("uploads/")] == files
    clean(rowline, document)
    assert set(counts(rowline).values()) == {0}


def test_a_version_that_is_half_forgotten_cannot_be_gone_back_to_and_doing_it_again_ends_it(rowline: Deployment):
    """Its files were gone, and going back to it was allowed."""
    document = rowline.index(items("anvil")).document_id
    for name in ("bellows", "chisel"):
        rowline.index(items(name), document)
    services = rowline.services
    failing = FailsAt(1, TransientError("the ledger is away"), ["forget"])
    ledger = watched_ledger(services.ledger, failing, "removals")
    with pytest.raises(TransientError):
        remove_old_versions(replace(services.document_stores, ledger=ledger), document, keep=2)
    with pytest.raises(InvalidRequest, match="completed and kept: 2, 3"):
        roll_back(services.ledger, services.vectors, document, 1)
    told = remove_old_versions(services.document_stores, document, 9)
    assert told.versions == [1], "whatever is to be kept now"


def test_a_document_on_its_way_out_says_so(rowline: Deployment):
    version = rowline.index(items("anvil"))
    documents = rowline.services.ledger.documents
    failing = FailsAt(1, TransientError("the service is away"), ["superseded"])
    with pytest.raises(TransientError):
        clean(rowline, version.document_id, ledger=watched_ledger(rowline.services.ledger, failing))
    assert "is being removed" in documents.latest(version.document_id).error
    with pytest.raises(InvalidRequest, match=r"is being removed; `rowline cleanup doc_.*` ends it"):
        documents.retry(version.document_id)
    assert [one.removed for one in documents.list_all()] == [True]
    clean(rowline, version.document_id)
    with pytest.raises(NotFound, match="was removed"):  # what a run in its middle is told
        documents.current_for_run(version.document_id, "run")
