"""Cancelling a run of an event: it stops what that event started, at any moment, and nothing that others did."""

from __future__ import annotations

import json
from collections.abc import Callable

import dagster as dg
import pytest

from sensors.events import new_events
from tests.assets.test_group import process
from tests.domain.events.sender import Events
from tests.laws.deployment import Deployment, items
from tests.laws.doubles import WordEmbedder


@pytest.fixture
def events(rowline: Deployment, monkeypatch: pytest.MonkeyPatch) -> Events:
    monkeypatch.setattr(new_events, "MAX_WAIT_SECONDS", 0.0)
    return Events(rowline)


class Meanwhile(WordEmbedder):
    """Has something happen at one of the moments when a price is asked for: planning, embedding, going live."""

    def __init__(self, happens: Callable[[], None], moment: int) -> None:
        super().__init__()
        self.happens, self.left = happens, moment

    def price_per_million_tokens(self) -> float | None:
        self.left -= 1
        if self.left == 0:
            self.happens()
        return super().price_per_million_tokens()


@pytest.mark.parametrize("moment", [1, 3, 5], ids=["planning", "embedding", "going live"])
def test_a_document_of_a_group_that_is_cancelled_does_not_go_live(events: Events, moment: int):
    """Its run goes on, for it works on other documents."""
    run = events.upload("d", "anvil")
    events.tick()
    ledger = events.services.ledger
    mine = ledger.documents.latest(ledger.documents.own_id("acme", "d"))
    other = events.rowline.upload(items("bellows"))
    ledger.documents.mark_requested([(one.document_id, 1, 1) for one in (mine, other)])

    def cancel() -> None:
        assert ledger.events.cancel("acme", run)
        events.tick()
        assert events.run(run)["state"] == "cancelled"

    process(events.rowline, [mine, other], embedder=Meanwhile(cancel, moment))
    cancelled, completed = (ledger.documents.latest(one.document_id) for one in (mine, other))
    assert (cancelled.status, cancelled.error, cancelled.live_version) == ("failed", "Cancelled on request", None)
    assert (completed.status, completed.live_version) == ("completed", 1)
    assert len(events.rowline.found("item")) == 1


def test_a_cancelled_document_goes_live_when_somebody_wants_it_after_all(events: Events):
    run = events.upload("d", "anvil")
    events.tick()
    ledger = events.services.ledger
    mine = ledger.documents.latest(ledger.documents.own_id("acme", "d"))

    def cancel_and_retry() -> None:
        ledger.events.cancel("acme", run)
        events.tick()
        ledger.documents.retry(mine.document_id)

    ledger.documents.mark_requested([(mine.document_id, 1, 1)])
    process(events.rowline, [mine], embedder=Meanwhile(cancel_and_retry, 3))
    assert ledger.documents.latest(mine.document_id).status == "pending"
    assert events.rowline.process(mine.document_id).status == "completed"
    assert len(events.rowline.found("item")) == 1


def test_cancelling_an_event_without_effect_stops_nobodys_work(events: Events):
    """A document/process of a document that waits anyway, or the same bytes once more."""
    uploaded = events.rowline.upload(items("bellows"))
    asked = events.send("document/process", documentId=uploaded.document_id)
    first = events.upload("d", "anvil")
    again = events.upload("d", "anvil")
    events.tick()
    assert json.loads(events.run(again)["output"]) == {"effect": "none: its bytes are known"}
    for run in (asked, again):
        assert events.services.ledger.events.cancel("acme", run)
    events.tick()
    assert [events.run(run)["state"] for run in (asked, again, first)] == ["cancelled", "cancelled", "attached"]
    waiting = {one.document_id for one in events.services.ledger.documents.pending()}
    assert waiting == {uploaded.document_id, events.run(first)["document_id"]}
    assert events.rowline.process(uploaded.document_id).status == "completed"
    assert events.rowline.process(events.run(first)["document_id"]).status == "completed"


def test_a_document_whose_run_was_asked_for_and_is_not_seen_yet_is_cancelled_when_it_is(events: Events):
    """Ended before that, its run would begin a moment later, and make it live."""
    run = events.upload("d", "anvil")
    events.tick()
    ledger, document = events.services.ledger, events.run(run)["document_id"]
    ledger.documents.mark_requested([(document, 1, 1)])
    assert ledger.events.cancel("acme", run)
    events.tick()
    assert events.run(run)["state"] == "attached"
    events.rowline.step("parsed_rows", document, "run of d")
    events.tick()
    assert events.run(run)["state"] == "cancelled"
    with pytest.raises(dg.Failure, match="Cancelled on request"):
        events.rowline.step("batches", document, "run of d")
