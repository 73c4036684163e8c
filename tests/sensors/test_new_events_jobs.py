"""The postman of events: jobs asked for once, time, order, cancelling, forgetting."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import psycopg
import pytest

from assets.events.maintenance import ForgetConfig, forgotten_events
from operations.documents.erasure import erase_organization
from operations.functions.handlers import FunctionResources
from operations.functions.runner import FunctionRunner
from sensors.events import new_events
from tests.domain.events.sender import Events
from tests.laws.deployment import Deployment, items


@pytest.fixture
def events(rowline: Deployment, monkeypatch: pytest.MonkeyPatch) -> Events:
    monkeypatch.setattr(new_events, "MAX_WAIT_SECONDS", 0.0)
    return Events(rowline)


# -- jobs -------------------------------------------------------------------------------------------------------


def test_a_rollback_is_one_run_of_its_job_with_its_result(events: Events):
    version = events.rowline.index(items("anvil"))
    events.rowline.index(items("bellows"), version.document_id)
    run = events.send("document/rollback", documentId=version.document_id, targetVersion=1)
    (request,) = events.requests()
    assert (request.job_name, request.tags["document"]) == ("document_rollback", version.document_id)
    assert events.launch(request).success
    ended = events.run(run)
    assert (ended["state"], json.loads(ended["output"])["rolledBackFrom"]) == ("completed", 2)
    assert ended["dagster_run_id"]
    assert events.requests() == []
    assert events.services.ledger.documents.latest(version.document_id).live_version == 1


def test_an_unknown_version_is_a_failed_run_with_the_sentence(events: Events):
    version = events.rowline.index(items("anvil"))
    run = events.send("document/rollback", documentId=version.document_id, targetVersion=7)
    (request,) = events.requests()
    assert not events.launch(request).success
    events.tick()
    assert events.run(run)["state"] == "failed"
    assert "has no completed version 7; completed and kept: 1" in events.run(run)["error"]


def test_a_cleanup_removes_and_says_what(events: Events):
    _, run, request = events.cleaning_up()
    assert request.run_config["ops"]["removed_documents"]["config"]["dry_run"] is False
    assert events.launch(request).success
    told = json.loads(events.run(run)["output"])
    assert (told["vectorsDeleted"], told["namespacesAffected"]) == (1, ["org_acme"])
    assert events.rowline.stored() == {}


def test_a_sync_tells_no_counts_and_one_runs_at_a_time(events: Events):
    """They are of all organizations."""
    runs = [events.send("vectors/sync.requested", repair=True) for _ in range(2)]
    (request,) = events.requests()
    assert request.run_config["ops"]["synced_vectors"]["config"]["repair"] is True
    assert events.requests() == []
    assert events.launch(request).success
    assert (events.run(runs[0])["state"], events.run(runs[0])["output"]) == ("completed", None)
    (second,) = events.requests()
    assert second.tags["rowline/event_run"] == runs[1]


def test_a_tick_that_was_lost_asks_again_with_the_same_key(events: Events):
    """The daemon died before it stored the cursor: Dagster starts no second run for a run key it knows."""
    version = events.rowline.index(items("anvil"))
    events.send("document/cleanup", documentId=version.document_id)
    first, second = events.requests(keep=False), events.requests(keep=False)
    assert [request.run_key for request in first] == [request.run_key for request in second] != []
    assert len(events.requests()) == 1
    assert events.requests() == []


def test_a_later_upload_waits_until_the_cleanup_before_it_has_ended(events: Events):
    """Else the clean-up would take it along."""
    events.upload("d", "anvil")
    events.tick()
    first = events.services.ledger.documents.own_id("acme", "d")
    events.send("document/cleanup", documentId="d")
    run = events.upload("d", "bellows")
    (request,) = events.requests()
    events.tick()
    assert events.run(run)["state"] == "waiting"
    events.launch(request)
    events.tick()
    assert events.run(run)["state"] == "attached"
    assert events.services.ledger.documents.own_id("acme", "d") != first


def test_a_cleanup_ends_what_waits_for_its_document(events: Events):
    """cancelOn, matched by documentId."""
    run, other = events.upload("d", "anvil"), events.upload("e", "anvil")
    events.send("document/cleanup", documentId="d")
    assert (events.run(run)["state"], events.run(run)["error"]) == (
        "cancelled",
        "Cancelled by the event document/cleanup",
    )
    assert events.run(other)["state"] == "waiting"


# -- when -------------------------------------------------------------------------------------------------------


def test_an_event_of_the_future_waits_for_its_time(events: Events):
    events.file("acme/a.csv", "anvil")
    data = {"documentId": "d", "filename": "a.csv", "filePath": "acme/a.csv"}
    (run,) = events.send_all([{"name": "document/uploaded", "data": data, "ts": 4_000_000_000_000}])
    events.tick()
    assert events.run(run)["state"] == "waiting"
    events.hurry()
    events.tick()
    assert events.run(run)["state"] == "attached"


def test_an_event_that_commits_late_is_not_passed_by(events: Events, database_url: str):
    """A cursor over a sequence would have gone past it: its run has the lower number."""
    with psycopg.connect(database_url) as slow:
        slow.execute(
            "INSERT INTO events VALUES ('acme', 'E1', 'document/process', '{\"data\":{\"documentId\":\"x\"}}')"
        )
        slow.execute(
            "INSERT INTO function_runs (run_id, organization_id, event_id, function, ordering_key) "
            "VALUES ('R1', 'acme', 'E1', 'document-process', 'x')"
        )
        later = events.send("document/process", documentId="y")
        events.tick()
        assert events.run(later)["state"] == "failed"
        slow.commit()
    events.tick()
    assert events.run("R1")["state"] == "failed"


def test_a_function_of_another_release_waits_for_it(events: Events):
    run = events.send("document/process", documentId="x")
    events.rowline.sql("UPDATE function_runs SET function = 'from-the-future'")
    events.tick()
    assert events.run(run)["state"] == "waiting"


def test_a_waiting_tick_wakes_up_at_the_event(events: Events):
    """A long poll: it returns at the NOTIFY that comes with the event."""
    runs = events.services.ledger.function_runs
    listening, done = threading.Event(), threading.Event()
    looked = runs.to_cancel

    def to_cancel() -> Any:
        listening.set()
        return looked()

    runs.to_cancel = to_cancel  # type: ignore[method-assign]

    def wait() -> None:
        runs.wait_for_work({"document-process": 1}, 60, poll_interval=60)
        done.set()

    threading.Thread(target=wait, daemon=True).start()
    assert listening.wait(10)
    assert not done.is_set()
    events.send("document/process", documentId="x")
    assert done.wait(10)


def test_a_tick_takes_as_many_files_as_its_time_allows(events: Events):
    runs = [events.upload(f"d{number}", "anvil") for number in range(10)]
    times = iter([0.0, 0.0, 0.0, 0.0, 99.0, 99.0, 99.0])
    services = events.services
    resources = FunctionResources(services.ledger, services.uploads, services.event_files)
    assert FunctionRunner(resources, clock=lambda: next(times)).work(10) == 8
    assert events.states() == ["attached"] * 8 + ["waiting"] * 2
    assert [events.run(run)["attempts"] for run in runs] == [1] * 8 + [0] * 2


# -- cancelling, retention --------------------------------------------------------------------------------------


def test_a_run_that_follows_a_waiting_document_can_be_cancelled(events: Events):
    run = events.upload("d", "anvil")
    events.tick()
    events.rowline.sql("UPDATE function_runs SET cancel_requested = true")
    events.tick()
    assert events.run(run)["state"] == "cancelled"
    document = events.services.ledger.documents.latest(events.services.ledger.documents.own_id("acme", "d"))
    assert (document.status, document.error) == ("failed", "Cancelled on request")


def test_a_job_that_was_asked_for_can_be_cancelled(events: Events):
    version = events.rowline.index(items("anvil"))
    run = events.send("document/cleanup", documentId=version.document_id)
    events.tick()
    events.rowline.sql("UPDATE function_runs SET cancel_requested = true")
    events.tick()
    assert events.run(run)["state"] == "cancelled"
    assert events.requests() == []


def forget(events: Events, **config: bool) -> Any:
    """By the op of the job, as its schedule has it."""
    ledger, settings = events.services.ledger, events.services.settings
    with dg.build_op_context() as context:
        return forgotten_events(context, ForgetConfig(**config), ledger, settings)


def test_old_events_are_forgotten_but_none_that_is_under_way(events: Events):
    events.send("document/process", documentId="x")
    waiting = events.upload("d", "anvil")
    events.send_all([{"name": "other", "id": "1"}])
    events.rowline.sql("UPDATE function_runs SET state = 'failed' WHERE run_id <> %(run)s", run=waiting)
    assert forget(events, dry_run=False) == 0
    events.rowline.sql("UPDATE events SET received_at = now() - interval '31 days'")
    events.rowline.sql("UPDATE event_idempotency_keys SET received_at = now() - interval '31 days'")
    assert forget(events) == 2
    assert len(events.states()) == 2
    assert forget(events, dry_run=False) == 2
    assert events.states() == ["waiting"]
    assert events.rowline.sql("SELECT * FROM event_idempotency_keys") == []


def test_an_erased_organization_leaves_no_event_behind(events: Events):
    """Nor one that waits, which would bring a document back."""
    events.upload("d", "anvil")
    events.send_all([{"name": "other", "id": "1", "data": {"about": "Kim"}}])
    events.send("document/process", "umbrella", documentId="x")
    services = events.services
    erase_organization(services.document_stores, "acme", datetime.now(UTC), dry_run=False)
    events.tick()
    left = [row["organization_id"] for row in events.rowline.sql("SELECT * FROM events")]
    assert left == ["umbrella"]
    assert events.rowline.sql("SELECT * FROM event_idempotency_keys") == []
    assert events.rowline.sql("SELECT * FROM documents") == []
