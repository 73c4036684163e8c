"""Steps materialized by hand, out of order: nothing live is lost, and nobody's status changes."""

from __future__ import annotations

import dagster as dg
import pytest

from tests.laws.deployment import Deployment, items

STEPS = ("batches", "embeddings", "namespace_vectors", "lineage")


@pytest.mark.parametrize("step", STEPS)
def test_a_later_step_alone_leaves_the_live_version_and_the_waiting_one_as_they_are(rowline: Deployment, step: str):
    """A version without a plan must never go live: it would be empty, and the live rows would be swept."""
    first = rowline.index(items("anvil", "bellows"))
    waiting = rowline.upload(items("chisel"), first.document_id)
    before = rowline.stored()
    rowline.step(step, first.document_id, f"{step}-by-hand")
    assert rowline.services.ledger.documents.latest(first.document_id).status == "pending"
    assert rowline.services.ledger.documents.get(first.document_id, 1).status == "completed"
    assert rowline.stored() == before
    assert rowline.process(first.document_id).live_version == waiting.version
    assert set(rowline.stored()) == rowline.promised()


@pytest.mark.parametrize("step", STEPS)
def test_a_later_step_of_a_document_never_begun_is_refused_and_it_still_waits(rowline: Deployment, step: str):
    waiting = rowline.upload(items("anvil"))
    with pytest.raises(dg.Failure, match="never processed; materialize the whole group"):
        rowline.step(step, waiting.document_id, "by-hand")
    assert rowline.services.ledger.documents.latest(waiting.document_id).status == "pending"
    assert rowline.process(waiting.document_id).status == "completed"


def test_a_version_whose_steps_are_not_done_does_not_go_live(rowline: Deployment):
    first = rowline.index(items("anvil"))
    rowline.upload(items("bellows"), first.document_id)
    for done in ("parsed_rows", "batches"):
        rowline.step(done, first.document_id, "half-way")
    with pytest.raises(dg.Failure, match="not ready to go live"):
        rowline.step("lineage", first.document_id, "half-way")
    assert rowline.found("anvil", k=1) == ["item: anvil\ncolour: colour of anvil"]
