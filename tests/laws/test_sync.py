"""Vector-sync: what drifted is found both ways, told apart, and repaired from kept embeddings without paying."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import dagster as dg
import pytest

from domain.errors import PermanentError, TransientError
from operations.documents.removal import remove_document
from operations.documents.vector_sync import SyncReport, sync_vectors
from tests.laws.deployment import Deployment, items
from tests.laws.doubles import Watched, failing_store, watched_ledger

LOSE = "DELETE FROM vectors WHERE vector_id IN (SELECT vector_id FROM vectors ORDER BY vector_id LIMIT 2)"
STRANGER = "INSERT INTO vectors SELECT model, namespace, %(id)s, embedding, '{}' FROM vectors LIMIT 1"


def sync(rowline: Deployment, repair: bool = False) -> SyncReport:
    return sync_vectors(rowline.services.ledger, rowline.services.vectors, repair)


def counts(drifted: SyncReport) -> tuple[int, int, int, int]:
    return drifted.missing, drifted.stale, drifted.orphaned, drifted.repaired


def test_a_store_that_agrees_is_left_alone(rowline: Deployment):
    rowline.index(items(*"abc"))
    rowline.index(items(*"bcd"), organization="rival")
    drifted = sync(rowline, repair=True)
    assert (drifted.checked, counts(drifted)) == (6, (0, 0, 0, 0))


def test_lost_vectors_are_told_and_come_back_from_kept_embeddings(rowline: Deployment):
    rowline.index(items(*"abcd"))
    before = rowline.stored()
    asked = len(rowline.services.embedder.asked)
    rowline.sql(LOSE)
    assert counts(sync(rowline)) == (2, 0, 0, 0)
    assert len(rowline.stored()) == 2, "without repair nothing is changed"
    assert counts(sync(rowline, repair=True)) == (2, 0, 0, 2)
    assert rowline.stored() == before
    assert len(rowline.services.embedder.asked) == asked
    assert counts(sync(rowline)) == (0, 0, 0, 0)


def test_strangers_and_vectors_of_the_past_are_told_apart_and_go(rowline: Deployment):
    document = rowline.index(items("anvil", "bellows")).document_id
    old = rowline.sql("SELECT * FROM vectors ORDER BY vector_id")
    rowline.index(items("anvil"), document)
    for row in old:  # a delete that was lost on its way
        rowline.sql(
            "INSERT INTO vectors VALUES (%(model)s, %(namespace)s, %(vector_id)s, %(embedding)s::halfvec, '{}') "
            "ON CONFLICT DO NOTHING",
            **{name: row[name] for name in ("model", "namespace", "vector_id", "embedding")},
        )
    rowline.sql(STRANGER, id=uuid4())
    assert counts(sync(rowline)) == (0, 1, 1, 0)
    assert counts(sync(rowline, repair=True)) == (0, 1, 1, 2)
    assert rowline.stored().keys() == rowline.promised()


def test_a_namespace_that_the_ledger_does_not_know_is_orphaned(rowline: Deployment):
    rowline.index(items("anvil"))
    rowline.sql("INSERT INTO vectors SELECT model, 'org_gone', vector_id, embedding, '{}' FROM vectors LIMIT 1")
    assert counts(sync(rowline)) == (0, 0, 1, 0)
    assert counts(sync(rowline, repair=True)) == (0, 0, 1, 1)
    assert rowline.stored().keys() == rowline.promised()


def test_what_a_version_on_its_way_needs_is_no_orphan(rowline: Deployment):
    rowline.index(items("anvil"))
    pending = rowline.upload(items("bellows")).document_id
    for step in ("parsed_rows", "batches", "embeddings", "namespace_vectors"):
        rowline.step(step, pending, "run-1")
    assert counts(sync(rowline, repair=True)) == (0, 0, 0, 0)
    assert len(rowline.stored()) == 2


def test_what_somebody_comes_to_rely_on_after_it_was_compared_is_no_orphan(rowline: Deployment):
    """The row comes between the question whether anybody needs the vector and the lock under which it would go."""
    document = rowline.index(items("anvil", "bellows")).document_id
    kept = failing_store(rowline.services.vectors, "delete", failure=TransientError("the store is away"))
    rowline.upload(items("bellows"), document)
    with pytest.raises(dg.Failure, match="the store is away"):
        rowline.quick(document, vectors=kept)
    came: list[str] = []

    def come(name: str, _: tuple[object, ...]) -> None:
        if name == "collection_lock" and not came:
            came.append(rowline.index(items("anvil")).document_id)

    services = rowline.services
    assert counts(sync(rowline)) == (0, 1, 0, 0)
    drifted = sync_vectors(watched_ledger(services.ledger, come, "garbage"), services.vectors, repair=True)
    assert (len(came), counts(drifted)) == (1, (0, 0, 0, 0))
    assert rowline.stored().keys() == rowline.promised()


@pytest.mark.parametrize("call", ["id_pages", "namespaces"])
def test_nothing_is_repaired_on_the_strength_of_a_failed_read(rowline: Deployment, call: str):
    rowline.index(items(*"abc"))
    before = rowline.stored()
    away = failing_store(rowline.services.vectors, call, failure=TransientError("the store is away"))
    with pytest.raises(TransientError):
        sync_vectors(rowline.services.ledger, away, True)
    assert rowline.stored() == before


def test_what_lies_in_the_store_is_seen_also_when_no_document_is_left(rowline: Deployment):
    """Also of a model that no version names any more: which models there are is the store's to say."""
    document = rowline.index(items("anvil")).document_id
    rowline.sql("INSERT INTO vectors SELECT 'test/gone/64', namespace, %(i)s, embedding, '{}' FROM vectors", i=uuid4())
    rowline.sql(STRANGER, id=uuid4())
    services = rowline.services
    remove_document(services.document_stores, document)
    rowline.sql(
        "INSERT INTO vectors SELECT 'test/gone/64', 'org_gone', %(i)s, array_fill(1, ARRAY[64])::halfvec, '{}'",
        i=uuid4(),
    )
    assert counts(sync(rowline, repair=True))[2:] == (1, 1)
    assert rowline.stored() == {}


def test_a_version_that_goes_live_during_the_comparison_is_not_taken_for_drift(rowline: Deployment):
    """What the old version promised alone is swept before the store is read: nothing is missing of it."""
    services = rowline.services
    document = rowline.index(items("same", "anvil", "bellows")).document_id
    left = [items("same", "chisel")]

    def before(name: str, _: object) -> None:
        if name == "id_pages" and left:
            rowline.index(left.pop(), document)

    found = sync_vectors(services.ledger, Watched(services.vectors, before), repair=True)
    assert counts(found) == (0, 0, 0, 0)


def test_a_document_that_cannot_be_repaired_stops_no_other(rowline: Deployment):
    """Its embeddings are gone: every repair ended at its first row."""
    first, second = rowline.index(items("anvil")), rowline.index(items("bellows", "chisel"))
    hashes = [row["text_hash"] for row in rowline.lineage(first)]
    rowline.sql("DELETE FROM embeddings WHERE text_hash = ANY(%(hashes)s)", hashes=hashes)
    rowline.sql("DELETE FROM vectors")
    found = sync(rowline, repair=True)
    assert counts(found) == (3, 0, 0, 2)
    assert len(rowline.stored()) == 2
    with pytest.raises(PermanentError, match=f"{first.document_id}: 1 embeddings of version 1"):
        found.failures.raise_if_any()
    assert second.document_id not in found.failures.reasons


def test_wrong_numbers_under_right_ids_are_put_right_by_sending_all_again(rowline: Deployment):
    rowline.index(items(*"abc"))
    before = rowline.sql("SELECT vector_id, embedding::text FROM vectors ORDER BY 1")
    rowline.sql(
        "UPDATE vectors SET embedding = array_fill(1, ARRAY[64])::halfvec WHERE vector_id = %(i)s",
        i=before[0]["vector_id"],
    )
    services = rowline.services
    assert counts(sync(rowline, repair=True)) == (0, 0, 0, 0)
    assert sync_vectors(services.ledger, services.vectors, repair=True, rewrite=True).rewritten == 3
    assert rowline.sql("SELECT vector_id, embedding::text FROM vectors ORDER BY 1") == before


def test_ids_out_of_order_are_told_in_a_sentence(rowline: Deployment):
    """The store lists them in another order: nothing is deleted on the strength of that."""
    rowline.index(items(*"abc"))
    before = rowline.stored()

    class Backwards:
        def __getattr__(self, name: str) -> object:
            return getattr(rowline.services.vectors, name)

        def id_pages(self, *place: str) -> Iterator[list[str]]:
            for page in rowline.services.vectors.id_pages(*place):
                yield page[::-1]

    with pytest.raises(PermanentError, match="out of order"):
        sync_vectors(rowline.services.ledger, Backwards(), repair=True)  # type: ignore[arg-type]
    assert rowline.stored() == before
