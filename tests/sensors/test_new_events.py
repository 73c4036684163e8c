"""The postman of events: files and documents, each event's effect once, none holding up another."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from domain.errors import TransientError
from operations.functions.handlers import UploadHandler
from resources.objects.event_files import EventFiles
from sensors.events import new_events
from tests.domain.events.sender import Events
from tests.laws.deployment import Deployment, items


@pytest.fixture
def events(rowline: Deployment, monkeypatch: pytest.MonkeyPatch) -> Events:
    monkeypatch.setattr(new_events, "MAX_WAIT_SECONDS", 0.0)
    return Events(rowline)


# -- document/uploaded ------------------------------------------------------------------------------------------


def test_a_file_that_an_app_names_becomes_a_document_under_the_apps_own_name(events: Events):
    run = events.upload("app-doc-1", "anvil", "bellows")
    events.tick()
    documents = events.services.ledger.documents
    document = documents.own_id("acme", "app-doc-1")
    assert (events.run(run)["state"], events.run(run)["document_id"]) == ("attached", document)
    assert events.rowline.process(document).status == "completed"
    events.tick()
    ended = events.run(run)
    assert (ended["state"], json.loads(ended["output"])["result"]["totalRows"]) == ("completed", 2)
    assert len(events.rowline.found("item")) == 2


def test_the_same_name_again_is_a_new_version_and_the_same_bytes_are_known(events: Events):
    events.upload("d", "anvil")
    events.tick()
    document = events.services.ledger.documents.own_id("acme", "d")
    events.rowline.process(document)
    again, other = events.upload("d", "anvil"), events.upload("d", "bellows")
    events.tick()
    assert [events.run(run)["version"] for run in (again, other)] == [1, 2]
    assert events.services.ledger.documents.own_id("acme", document) == document


def test_names_of_apps_are_each_organizations_own(events: Events):
    events.file("umbrella/a.csv", "anvil")
    events.upload("d", "anvil")
    events.send("document/uploaded", "umbrella", documentId="d", filename="a.csv", filePath="umbrella/a.csv")
    events.tick()
    ids = {events.services.ledger.documents.own_id(organization, "d") for organization in ("acme", "umbrella")}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("umbrella/a.csv", "does not lie under acme/"),
        ("acme/../umbrella/a.csv", "no path of a file"),
        ("/etc/passwd", "no path of a file"),
        ("acme\\a.csv", "no path of a file"),
        ("uploads/1/a", "does not lie under acme/"),
        ("acme/missing.csv", "cannot be read from the object storage"),
        ("acme", "does not lie under acme/"),
        ("s3://bucket/acme/a.csv", "not in the bucket of OBJECT_STORE"),
    ],
)
def test_a_file_that_is_not_theirs_or_not_there_is_a_failed_run_with_its_reason(events: Events, path: str, reason: str):
    events.file("umbrella/a.csv", "secret")
    run = events.send("document/uploaded", documentId="d", filename="a.csv", filePath=path)
    events.tick()
    assert events.run(run)["state"] == "failed"
    assert reason in events.run(run)["error"]
    assert str(events.services.settings.rowline_home) not in events.run(run)["error"]
    assert events.rowline.sql("SELECT * FROM documents") == []


def test_an_id_of_ours_that_is_nobodys_is_not_taken_for_a_name(events: Events):
    run = events.upload("doc_" + "0" * 32, "anvil")
    events.tick()
    assert "has no document doc_000" in events.run(run)["error"]


def test_what_is_transient_is_tried_again_and_at_last_told(events: Events, monkeypatch: pytest.MonkeyPatch):
    """Three retries (A2), farther and farther apart; meanwhile others go on."""
    run = events.upload("d", "anvil")
    other = events.upload("e", "anvil")
    real = EventFiles.open

    def away(self: EventFiles, organization: str, path: str) -> Any:
        if "d-" in path:
            raise TransientError("The object storage is away")
        return real(self, organization, path)

    monkeypatch.setattr(EventFiles, "open", away)
    for attempt in range(1, 4):
        events.tick()
        waiting = events.run(run)
        assert (waiting["state"], waiting["attempts"], waiting["error"]) == (
            "waiting",
            attempt,
            "The object storage is away",
        )
        assert waiting["due_at"] > events.rowline.sql("SELECT now() AS now")[0]["now"]
        assert events.run(other)["state"] == "attached"
        events.hurry()
    events.tick()
    assert (events.run(run)["state"], events.run(run)["error"]) == (
        "failed",
        "The object storage is away (tried 4 times)",
    )


def test_what_kills_its_process_each_time_is_given_up(events: Events):
    """Counted before it is tried: else it would kill every process for ever."""
    run = events.upload("d", "anvil")
    events.rowline.sql("UPDATE function_runs SET attempts = 4")
    events.tick()
    assert "the process ended before it was done" in events.run(run)["error"]


def test_later_events_of_a_document_wait_for_the_one_that_is_tried_again(
    events: Events, monkeypatch: pytest.MonkeyPatch
):
    """Else the older file would become the newer version."""
    first, second = events.upload("d", "anvil"), events.upload("d", "bellows")
    with monkeypatch.context() as patch:
        patch.setattr(EventFiles, "open", lambda *_: (_ for _ in ()).throw(TransientError("away")))
        events.tick()
    events.tick()
    assert events.states() == ["waiting", "waiting"]
    events.hurry()
    events.tick()
    assert [events.run(run)["version"] for run in (first, second)] == [1, 2]


def test_a_poisonous_event_harms_no_other(events: Events, monkeypatch: pytest.MonkeyPatch):
    runs = [events.upload(f"d{number}", "anvil") for number in range(5)]
    real = UploadHandler._upload

    def poison(self: UploadHandler, run: Any, payload: Any) -> None:
        if run.run_id == runs[2]:
            raise ZeroDivisionError("secret")
        real(self, run, payload)

    monkeypatch.setattr(UploadHandler, "_upload", poison)
    events.tick()
    assert events.states() == ["attached", "attached", "waiting", "attached", "attached"]
    assert "secret" not in events.run(runs[2])["error"]


# -- document/process -------------------------------------------------------------------------------------------


def test_a_failed_document_is_tried_again_and_any_other_is_left_as_it_is(events: Events):
    rowline, ledger = events.rowline, events.services.ledger
    failed, waiting, done = rowline.upload(items("a")), rowline.upload(items("b")), rowline.index(items("c"))
    ledger.documents.fail(failed.document_id, 1, "no luck")
    runs = [events.send("document/process", documentId=v.document_id) for v in (failed, waiting, done)]
    events.tick()
    assert ledger.documents.latest(failed.document_id).status == "pending"
    assert ledger.documents.latest(failed.document_id).attempt == 2
    assert ledger.documents.latest(waiting.document_id).attempt == 1
    events.tick()
    told = [(events.run(run)["state"], json.loads(events.run(run)["output"])["effect"]) for run in runs]
    assert told == [
        ("attached", "tried again"),
        ("attached", "none: it is pending"),
        ("completed", "none: it is completed"),
    ]
    rowline.process(failed.document_id)
    events.tick()
    assert events.run(runs[0])["state"] == "completed"


def test_a_document_that_fails_is_a_failed_run_with_its_reason(events: Events):
    version = events.rowline.upload(items("a"))
    run = events.send("document/process", documentId=version.document_id)
    events.tick()
    events.services.ledger.documents.fail(version.document_id, 1, "The sheet is empty")
    events.tick()
    assert (events.run(run)["state"], events.run(run)["error"]) == ("failed", "The sheet is empty")


def test_a_document_of_another_organization_is_not_there(events: Events):
    version = events.rowline.upload(items("a"), organization="umbrella")
    for name, more in (("process", {}), ("cleanup", {}), ("rollback", {"targetVersion": 1})):
        run = events.send(f"document/{name}", documentId=version.document_id, **more)
        assert events.requests() == []
        assert events.run(run)["state"] == "failed"
        assert events.run(run)["error"] == f"Organization acme has no document {version.document_id}"


def test_five_hundred_events_are_settled_in_a_few_statements(events: Events, monkeypatch: pytest.MonkeyPatch):
    version = events.rowline.upload(items("a"))
    events.rowline.sql("INSERT INTO documents SELECT 'd' || n, 'acme', NULL, 1 FROM generate_series(1, 500) n;")
    events.rowline.sql(
        "INSERT INTO versions (document_id, version, filename, object_key, byte_size, sha256, mode, template, model, "
        "dimension, status) SELECT 'd' || n, 1, filename, object_key, byte_size, sha256, mode, template, model, "
        "dimension, 'failed' FROM versions, generate_series(1, 500) n WHERE document_id = %(d)s",
        d=version.document_id,
    )
    runs = events.send_all([{"name": "document/process", "data": {"documentId": f"d{n}"}} for n in range(1, 501)])
    statements = 0
    real = psycopg.Cursor.execute

    def execute(self: Any, *rest: Any, **more: Any) -> Any:
        nonlocal statements
        statements += 1
        return real(self, *rest, **more)

    monkeypatch.setattr(psycopg.Cursor, "execute", execute)
    events.tick()
    assert statements < 60
    assert len(runs) == 500
    assert set(events.states()) == {"attached"}
    again = events.rowline.sql("SELECT count(*) AS n FROM versions WHERE status = 'pending' AND attempt = 2")
    assert again == [{"n": 500}]
