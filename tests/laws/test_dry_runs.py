"""A dry run tells what the wet one does: of one document, of several that share rows, of their old versions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.errors import NotFound
from operations.documents.removal import (
    RemovalReport,
    plan_old_versions_removal,
    plan_removal,
    remove_document,
    remove_old_versions,
)
from operations.documents.rollback import roll_back
from tests.laws.deployment import STEPS, Deployment, items
from tests.laws.test_operations import work

CONTENTS = st.sets(st.sampled_from("abcde"), min_size=1, max_size=4)
LIVES = st.lists(
    st.tuples(st.sampled_from(["acme", "acme", "rival"]), st.lists(CONTENTS, min_size=1, max_size=3), st.booleans()),
    min_size=2,
    max_size=4,
)


def lived(rowline: Deployment, organization: str, versions: list[set[str]], goes_back: bool) -> str:
    """A document with these versions; where it goes back, its first one is live."""
    document = None
    for number, content in enumerate(versions):  # the name makes the bytes another file's, not the rows
        body = items(*sorted(content))
        uploaded = rowline.upload(body, document, organization=organization, filename=f"{number}.csv")
        document = uploaded.document_id
        rowline.quick(document)
    assert document
    if goes_back and rowline.services.ledger.documents.latest(document).version > 1:
        roll_back(rowline.services.ledger, rowline.services.vectors, document, 1)
    return document


def remove_all(rowline: Deployment) -> None:
    for row in rowline.sql("SELECT document_id FROM documents"):
        remove_document(rowline.services.document_stores, row["document_id"])


@pytest.mark.slow
@given(lives=LIVES, data=st.data())
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_documents_that_share_rows_go_as_the_dry_run_said(rowline: Deployment, lives, data):
    remove_all(rowline)
    documents = [lived(rowline, *life) for life in lives]
    chosen = data.draw(st.permutations(documents))[: data.draw(st.integers(2, len(documents)))]
    dry = plan_removal(rowline.services.document_stores, *chosen)
    wet = [remove_document(rowline.services.document_stores, document) for document in chosen]
    assert [replace(one, dry_run=False) for one in dry] == wet


@pytest.mark.slow
@given(life=st.lists(CONTENTS, min_size=2, max_size=5), other=CONTENTS, goes_back=st.booleans(), keep=st.integers(1, 2))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(life=[{"a"}, {"b"}], other={"c"}, goes_back=False, keep=1)
def test_old_versions_go_as_the_dry_run_said(rowline: Deployment, life, other, goes_back, keep):
    remove_all(rowline)
    document = lived(rowline, "acme", life, goes_back)
    lived(rowline, "acme", [other], False)
    dry = plan_old_versions_removal(rowline.services.document_stores, document, keep)
    wet = remove_old_versions(rowline.services.document_stores, document, keep)
    assert replace(dry, dry_run=False) == wet


@pytest.mark.parametrize("steps", [3, 4])
@pytest.mark.parametrize("newer", [False, True])
def test_a_version_that_failed_takes_away_what_it_had_stored_and_no_more(rowline: Deployment, steps: int, newer: bool):
    """Embedded, or stored as well: only then are its vectors in the store, to be deleted and counted."""
    services = rowline.services
    first = rowline.index(items("anvil")).document_id if newer else None
    document = rowline.upload(items("bellows"), first).document_id
    for step in STEPS[:steps]:
        rowline.step(step, document, "run that died")
    services.ledger.documents.fail(document, None, "died", "run that died")
    held = len(rowline.stored())
    assert held == newer + (steps == 4)
    dry = plan_removal(services.document_stores, document)[0]
    wet = remove_document(services.document_stores, document)
    assert (replace(dry, dry_run=False), wet.vectors_deleted) == (wet, held)


def test_the_job_tells_what_goes_with_all_of_its_documents(rowline: Deployment):
    """Two equal documents: each for itself would leave everything for the other."""
    documents = [rowline.index(items("anvil", "bolt")).document_id for _ in range(2)]
    told = {}
    for dry_run in (True, False):
        config = {"document_ids": [*documents, documents[0], "doc_unknown"], "dry_run": dry_run}
        run = work(rowline, "document_cleanup", "removed_documents", config)
        told[dry_run] = run.output_for_node("removed_documents")
        figures = [(one["vectorsDeleted"], one["embeddingsDeleted"], len(one["versions"])) for one in told[dry_run]]
        assert figures == [(0, 0, 1), (2, 2, 1), (0, 0, 0)]
    assert [one | {"dryRun": False} for one in told[True]] == told[False]


def test_of_an_unknown_document_nothing_would_go(rowline: Deployment):
    assert plan_removal(rowline.services.document_stores, "doc_unknown") == [RemovalReport("doc_unknown", True)]
    with pytest.raises(NotFound, match="There is no document doc_unknown"):
        remove_document(rowline.services.document_stores, "doc_unknown")
    for remove in (plan_old_versions_removal, remove_old_versions):
        with pytest.raises(NotFound, match="doc_unknown"):
            remove(rowline.services.document_stores, "doc_unknown", 1)
