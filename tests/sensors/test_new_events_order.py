"""What is about one document is done in the order of arrival, whatever it is called; and what ends what waits."""

from __future__ import annotations

import time

import pytest

from operations.events.intake import ingest_document_event
from resources.database.schema import migrating, upgrade
from resources.ledger.events.function_runs import WAITING
from sensors.events import new_events
from tests.domain.events.sender import Events
from tests.laws.deployment import Deployment

FUTURE = 4_000_000_000_000


@pytest.fixture
def events(rowline: Deployment, monkeypatch: pytest.MonkeyPatch) -> Events:
    monkeypatch.setattr(new_events, "MAX_WAIT_SECONDS", 0.0)
    return Events(rowline)


def searchable(events: Events, name: str = "d") -> str:
    """A document that its app calls so, with one completed version; our id of it."""
    events.upload(name, "anvil")
    events.tick()
    document = events.services.ledger.documents.own_id("acme", name)
    events.rowline.process(document)
    events.tick()
    return document


def delete(events: Events, document: str) -> None:
    """As `DELETE /documents/{id}` does."""
    ingest_document_event(events.services.ledger, events.services.ledger.documents.latest(document), "document/cleanup")
    events.services.ledger.removals.withdraw_at_rest(document)


# -- one document, two names ------------------------------------------------------------------------------------


def test_what_an_app_sent_under_its_own_name_ends_with_a_document_that_is_deleted(events: Events):
    """The gateway sends our id; the file that waits names the app's, and would bring the document back."""
    document = searchable(events)
    waiting = events.upload("d", "bellows")
    delete(events, document)
    assert events.run(waiting)["error"] == "Cancelled by the event document/cleanup"
    (request,) = events.requests()
    assert request.tags["document"] == document
    assert events.launch(request).success
    events.tick()
    assert events.states() == ["completed", "cancelled", "completed"]
    assert events.rowline.sql("SELECT * FROM documents") == []


@pytest.mark.parametrize("other_way", [False, True])
def test_events_by_either_name_are_done_in_the_order_of_arrival(events: Events, other_way: bool):
    document = searchable(events)
    first, second = (document, "d") if other_way else ("d", document)
    upload = events.send("document/uploaded", documentId=first, filename="b.csv", filePath=events.file("acme/b", "b"))
    events.rowline.sql(
        "UPDATE function_runs SET attempts = 1, due_at = now() + interval '1 hour' WHERE state = 'waiting'"
    )
    later = events.send("document/rollback", documentId=second, targetVersion=1)
    assert events.requests() == []
    assert [events.run(run)["state"] for run in (upload, later)] == ["waiting", "waiting"]
    events.hurry()
    events.tick()
    events.tick()
    assert events.run(upload)["version"] == 2
    assert events.run(later)["document_id"] == document


def test_what_another_organization_calls_so_holds_up_nothing_and_ends_nothing(events: Events):
    """Its clean-up of a `d` waits for its job; ours is another document."""
    events.file("umbrella/d.csv", "anvil")
    theirs = {"documentId": "d", "filename": "d.csv", "filePath": "umbrella/d.csv"}
    upload, delayed = events.send_all(
        [
            {"name": "document/uploaded", "data": theirs},
            {"name": "document/uploaded", "data": theirs, "ts": FUTURE},
        ],
        "umbrella",
    )
    events.tick()
    searchable(events)
    removed = events.send("document/cleanup", documentId="d")
    assert len(events.requests()) == 1
    events.send("document/process", "umbrella", documentId="d")
    events.tick()
    assert [events.run(run)["state"] for run in (upload, delayed, removed)] == ["attached", "waiting", "requested"]
    assert events.states()[-1] == "attached"


def test_an_id_of_ours_is_that_document_also_when_another_one_has_its_name_by_then(events: Events):
    """A clean-up must not remove the document that came after the one that it meant."""
    document = searchable(events)
    late = events.send_all([{"name": "document/cleanup", "data": {"documentId": document}, "ts": FUTURE}])[0]
    removed = events.send("document/cleanup", documentId="d")
    (request,) = events.requests()
    assert events.launch(request).success
    events.tick()
    assert searchable(events) != document
    events.hurry()
    assert events.requests() == []
    assert events.run(removed)["state"] == "completed"
    assert events.run(late)["error"] == f"Organization acme has no document {document}"
    assert len(events.rowline.found("item")) == 1


def test_events_that_were_kept_before_are_told_apart_no_more(events: Events, database_url: str):
    """By the migration: what names our id is about the same as what names the app's."""
    document = searchable(events)
    with migrating(database_url) as config:
        from alembic import command

        command.downgrade(config, "0012")
    for number, (subject, state) in enumerate([(document, "waiting"), ("d", "waiting"), (document, "completed")]):
        event = {"event": f"E{number}", "content": '{"data":{}}'}
        events.rowline.sql("INSERT INTO events VALUES ('acme', %(event)s, 'document/process', %(content)s)", **event)
        events.rowline.sql(
            "INSERT INTO event_runs (run_id, organization_id, event_id, function, subject, state) "
            "VALUES (%(event)s, 'acme', %(event)s, 'document-process', %(subject)s, %(state)s)",
            event=f"E{number}",
            subject=subject,
            state=state,
        )
    upgrade(database_url)
    runs = [events.run(f"E{number}") for number in range(3)]
    assert [(run["ordering_key"], run["document_id"]) for run in runs] == [
        ("d", document),
        ("d", None),
        (document, None),
    ]


# -- what waits for its time ------------------------------------------------------------------------------------


def test_an_event_of_the_future_holds_up_nothing(events: Events):
    """A sender's clock may be wrong, and its document is to go on meanwhile."""
    document = searchable(events)
    (late,) = events.send_all([{"name": "document/process", "data": {"documentId": "d"}, "ts": FUTURE}])
    now = events.upload("d", "bellows")
    events.tick()
    assert (events.run(late)["state"], events.run(now)["state"]) == ("waiting", "attached")
    assert events.run(now)["document_id"] == document


def test_what_is_under_way_holds_up_an_earlier_event_whose_time_comes(events: Events):
    """Else a file that was to wait would be taken along by the clean-up that is under way."""
    searchable(events)
    (late,) = events.send_all([{"name": "document/process", "data": {"documentId": "d"}, "ts": FUTURE}])
    events.send("document/rollback", documentId="d", targetVersion=1)
    (request,) = events.requests()
    events.hurry()
    events.tick()
    assert events.run(late)["state"] == "waiting"
    events.launch(request)
    events.tick()
    events.tick()
    assert events.run(late)["state"] == "completed"


def test_a_cleanup_ends_a_rollback_that_waits(events: Events):
    document = searchable(events)
    data = {"documentId": document, "targetVersion": 1}
    (late,) = events.send_all([{"name": "document/rollback", "data": data, "ts": FUTURE}])
    delete(events, document)
    assert (events.run(late)["state"], events.run(late)["error"]) == (
        "cancelled",
        "Cancelled by the event document/cleanup",
    )
    (request,) = events.requests()
    assert events.launch(request).success
    assert events.rowline.sql("SELECT * FROM lineage") == []


def test_requests_that_clean_up_the_same_documents_in_other_orders_all_succeed(events: Events):
    """Whoever locks in a circle is refused, and a sender without retries has lost its events."""
    from concurrent.futures import ThreadPoolExecutor

    names = ["a", "b", "c", "d", "e"]
    orders = [names, names[::-1], ["c", "a", "e", "b", "d"]] * 8

    def sent(order: list[str]) -> int:
        made = [
            {"name": f"document/{what}", "data": {"documentId": n}} for what in ("process", "cleanup") for n in order
        ]
        return len(events.send_all(made))

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(sent, orders)) == 24 * 10


def test_a_clean_up_and_the_sensor_wait_for_each_other_in_no_circle(events: Events):
    """The sensor has the first of two runs that a request cancels, and then wants the second."""
    from concurrent.futures import ThreadPoolExecutor

    events.send_all([{"name": "document/process", "data": {"documentId": name}} for name in ("a", "b")])
    events.rowline.sql(
        "UPDATE function_runs SET run_id = CASE ordering_key WHEN 'b' THEN 'run 1' ELSE 'run 2' END"
    )  # else random
    runs = ["run 1", "run 2"]
    cleaning = [{"name": "document/cleanup", "data": {"documentId": name}} for name in ("a", "b")]
    waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as pool:
        with events.services.database.transaction() as sensor:
            sensor.execute(WAITING, (runs[:1],))
            request = pool.submit(events.send_all, cleaning)
            deadline = time.monotonic() + 30
            while not events.rowline.sql(waits):
                assert time.monotonic() < deadline
            sensor.execute(WAITING, (runs[1:],))
        assert len(request.result()) == 2
    assert [events.run(run)["state"] for run in runs] == ["cancelled"] * 2
