"""Contents of events that are hard to bear: too deep to be read back, too large to be read all at once."""

from __future__ import annotations

import json

import pytest

from gateway.http.routes.runs import AsciiJSONResponse, now
from gateway.schemas.events import Event, envelope
from resources.ledger.events import function_runs
from sensors.events import new_events
from tests.domain.events.sender import Events
from tests.laws.deployment import Deployment, items


@pytest.fixture
def events(rowline: Deployment, monkeypatch: pytest.MonkeyPatch) -> Events:
    monkeypatch.setattr(new_events, "MAX_WAIT_SECONDS", 0.0)
    return Events(rowline)


def deepen(events: Events, run: str, levels: int) -> str:
    """The run's event as one that was kept when there was no limit of levels; its id."""
    event = events.run(run)["event_id"]
    (row,) = events.rowline.sql("SELECT content FROM events WHERE event_id = %(event)s", event=event)
    content = row["content"].replace('"data":{', '"data":{"deep":' + "[" * levels + "]" * levels + ",", 1)
    events.rowline.sql(
        "UPDATE events SET content = %(content)s WHERE event_id = %(event)s", content=content, event=event
    )
    return str(event)


@pytest.mark.parametrize("aimed", [False, True], ids=["waiting", "about to be asked for"])
def test_a_job_that_cannot_be_told_fails_alone(events: Events, aimed: bool):
    version = events.rowline.index(items("anvil"))
    runs = [
        events.send("vectors/sync.requested", repair=True),
        events.send("document/cleanup", documentId=version.document_id, more=1),
    ]
    if aimed:
        events.services.ledger.function_runs.bind_to_document(runs)
    deepen(events, runs[0], 5000)
    events.tick()
    assert [events.run(run)["state"] for run in runs] == ["failed", "submitting"]
    assert events.run(runs[0])["error"] == "The event is nested too deeply to be read"
    events.tick()
    assert events.run(runs[1])["state"] == "requested"


def test_a_request_that_breaks_fails_alone(events: Events, monkeypatch: pytest.MonkeyPatch):
    version = events.rowline.index(items("anvil"))
    runs = [
        events.send("vectors/sync.requested", repair=True),
        events.send("document/cleanup", documentId=version.document_id),
    ]
    real = new_events.job_request

    def broken(run: function_runs.JobRun) -> object:
        if run.run_id == runs[0]:
            raise RecursionError("secret")
        return real(run)

    monkeypatch.setattr(new_events, "job_request", broken)
    (request,) = events.requests()
    assert request.tags["rowline/event_run"] == runs[1]
    assert "secret" not in events.run(runs[0])["error"]


@pytest.mark.parametrize("levels", [501, 985, 5000])
def test_an_event_that_is_too_deep_is_told_without_its_data(events: Events, levels: int):
    event = deepen(events, events.send("document/process", documentId="x"), levels)
    kept = events.services.ledger.events.event("acme", event)
    assert kept
    told = json.loads(AsciiJSONResponse(envelope([Event.from_event(kept)], now())).body)["data"][0]
    assert (told["internal_id"], told["name"]) == (event, "document/process")
    assert told["data"] == {"error": "The event is nested too deeply to be read"}


def test_contents_are_read_a_few_at_a_time_and_all_are_settled(events: Events, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(function_runs, "BATCH_BYTES", 3000)
    names = [f"x{number}" for number in range(8)]
    sent = events.send_all(
        [{"name": "document/process", "data": {"documentId": name, "pad": "x" * 1000}} for name in names]
        + [{"name": "document/cleanup", "data": {"documentId": "y", "pad": "x" * 9000}}]
    )
    due = events.services.ledger.function_runs.list_due({"document-process": 500, "document-cleanup": 50})
    assert [run.run_id for run in due] == [*sent[:3], sent[8]]  # of each function the first, however large it is
    events.tick()
    assert events.states() == ["failed"] * 9  # there are no such documents


def test_requests_are_made_of_a_few_contents_at_a_time(events: Events, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(function_runs, "BATCH_BYTES", 3000)
    documents = [events.rowline.index(items(name)).document_id for name in "abcd"]
    sent = [events.send("document/cleanup", documentId=one, pad="x" * 2000) for one in documents]
    asked = [[request.tags["rowline/event_run"] for request in events.requests()] for _ in range(3)]
    assert asked == [sent[:2], sent[2:], []]
