"""Vector-sync: what drifted is found both ways, told apart, and repaired from kept embeddings without paying."""

from __future__ import annotations

from uuid import uuid4

import pytest

from assets.documents.cleanup import clean_up
from assets.documents.sync import Drifted, sync_vectors
from pipelines.failures import TransientFailure
from tests.laws.deployment import Deployment, items
from tests.laws.doubles import failing_store

LOSE = "DELETE FROM vectors WHERE vector_id IN (SELECT vector_id FROM vectors ORDER BY vector_id LIMIT 2)"
STRANGER = "INSERT INTO vectors SELECT model, namespace, %(id)s, embedding, '{}' FROM vectors LIMIT 1"


def sync(rowline: Deployment, repair: bool = False) -> Drifted:
    return sync_vectors(rowline.services.ledger, rowline.services.vectors, repair)


def counts(drifted: Drifted) -> tuple[int, int, int, int]:
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


@pytest.mark.parametrize("call", ["id_pages", "namespaces"])
def test_nothing_is_repaired_on_the_strength_of_a_failed_read(rowline: Deployment, call: str):
    rowline.index(items(*"abc"))
    before = rowline.stored()
    away = failing_store(rowline.services.vectors, call, failure=TransientFailure("the store is away"))
    with pytest.raises(TransientFailure):
        sync_vectors(rowline.services.ledger, away, True)
    assert rowline.stored() == before


def test_what_lies_in_the_store_is_seen_also_when_no_document_is_left(rowline: Deployment):
    """Also of a model that no version names any more: which models there are is the store's to say."""
    document = rowline.index(items("anvil")).document_id
    rowline.sql("INSERT INTO vectors SELECT 'test/gone/64', namespace, %(i)s, embedding, '{}' FROM vectors", i=uuid4())
    rowline.sql(STRANGER, id=uuid4())
    services = rowline.services
    clean_up(services.ledger, services.vectors, services.objects, document, dry_run=False)
    rowline.sql(
        "INSERT INTO vectors SELECT 'test/gone/64', 'org_gone', %(i)s, array_fill(1, ARRAY[64])::halfvec, '{}'",
        i=uuid4(),
    )
    assert counts(sync(rowline, repair=True))[2:] == (1, 1)
    assert rowline.stored() == {}
