"""What apps poll: events, what each started, how that went; each organization its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from domain.events.registry import FUNCTIONS
from gateway.app import create_app
from operations.events.intake import ingest_events
from operations.services import Services
from sensors.events import new_events
from tests.domain.events.sender import Events
from tests.laws.deployment import Deployment, items

SIGNING = "signkey-prod-" + "0123456789abcdef" * 4
MISSING = "01M7Y1BYAWCM74RYSJ606BDNG5"


@pytest.fixture
def events(rowline: Deployment, monkeypatch: pytest.MonkeyPatch) -> Events:
    monkeypatch.setattr(new_events, "MAX_WAIT_SECONDS", 0.0)
    return Events(rowline)


@pytest.fixture
def ask(client: TestClient, shown_by: Any) -> Callable[..., Any]:
    """The answer's `data` for acme; where another code is expected, its whole JSON."""
    headers = shown_by("acme", "events")

    def asked(path: str, code: int = 200, method: str = "GET") -> Any:
        answer = client.request(method, f"/v1{path}", headers=headers)
        assert answer.status_code == code, answer.text
        if code == 204:
            return None
        shown = answer.json()
        if code == 200:
            assert set(shown) == {"data", "metadata"}
            return shown["data"]
        assert (shown["status"], shown["data"], bool(shown["error"])) == (code, None, True)
        return shown

    return asked


def event_of(events: Events, run: str) -> str:
    return str(events.run(run)["event_id"])


def test_a_document_is_followed_from_its_event_to_its_result(events: Events, ask: Any):
    run = events.upload("d", "anvil")
    event = event_of(events, run)
    (shown,) = ask(f"/events/{event}/runs")
    assert shown == ask(f"/runs/{run}")
    assert (shown["run_id"], shown["event_id"], shown["function_id"]) == (run, event, "document-uploaded")
    assert (shown["status"], shown["ended_at"], shown["output"]) == ("Scheduled", None, None)
    datetime.fromisoformat(shown["run_started_at"])
    events.tick()
    assert ask(f"/runs/{run}")["status"] == "Scheduled"
    document = events.services.ledger.documents.own_id("acme", "d")
    events.services.ledger.documents.start(document, "r1")
    assert ask(f"/runs/{run}")["status"] == "Running"
    events.rowline.process(document)
    before = ask(f"/runs/{run}")  # nobody has settled it yet
    events.tick()
    after = ask(f"/runs/{run}")
    assert before["status"] == after["status"] == "Completed"
    assert before["output"] == after["output"]
    assert (after["output"]["documentId"], after["output"]["result"]["totalRows"]) == (document, 1)
    assert before["ended_at"] == after["ended_at"]
    datetime.fromisoformat(after["ended_at"])


def test_a_failure_is_reported_with_its_reason(events: Events, ask: Any):
    run = events.send("document/process", documentId="nowhere")
    events.tick()
    shown = ask(f"/runs/{run}")
    assert shown["status"] == "Failed"
    assert shown["output"]["message"] == shown["output"]["error"] == "Organization acme has no document nowhere"
    version = events.rowline.upload(items("a"))
    run = events.send("document/process", documentId=version.document_id)
    events.tick()
    events.services.ledger.documents.fail(version.document_id, 1, "The sheet is empty")
    assert ask(f"/runs/{run}")["output"]["message"] == "The sheet is empty"


def test_a_job_is_running_from_its_first_step_on(events: Events, ask: Any):
    version = events.rowline.index(items("a"))
    run = events.send("document/rollback", documentId=version.document_id, targetVersion=1)
    events.tick()
    assert ask(f"/runs/{run}")["status"] == "Scheduled"
    events.services.ledger.function_runs.started(run, "dagster-run")
    assert ask(f"/runs/{run}")["status"] == "Running"
    events.services.ledger.function_runs.end(run, "completed", output={"version": 1})
    assert ask(f"/runs/{run}")["output"] == {"version": 1}


def test_an_event_is_shown_as_it_was_sent(events: Events, ask: Any):
    data = {"n": 10**30, "이름": "보험"}
    events.send_all([{"name": "문서/확인", "id": "a\ud800\0", "data": data, "v": "2", "user": {}}])
    (shown,) = ask("/events")
    assert (shown["name"], shown["id"], shown["v"]) == ("문서/확인", "a\ud800\0", "2")
    assert shown["data"] == data
    assert shown == ask(f"/events/{shown['internal_id']}")
    assert ask(f"/events/{shown['internal_id']}/runs") == []


def test_events_are_listed_newest_first_page_by_page(events: Events, ask: Any):
    # of one request, whose ids ascend: those of two requests within a millisecond are in no order
    events.send_all([{"name": f"n{number % 2}", "data": {"n": number}} for number in range(5)])
    assert [event["data"]["n"] for event in ask("/events")] == [4, 3, 2, 1, 0]
    first = ask("/events?limit=2")
    rest = ask(f"/events?limit=9&cursor={first[-1]['internal_id']}")
    assert [event["data"]["n"] for event in [*first, *rest]] == [4, 3, 2, 1, 0]
    assert [event["data"]["n"] for event in ask("/events?name=n1")] == [3, 1]
    assert ask("/events?received_before=2020-01-01T00:00:00Z") == []
    assert len(ask("/events?received_after=2020-01-01T00:00:00Z")) == 5
    for wrong in ("limit=0", "limit=x", "received_after=yesterday", "cursor=abc"):
        ask(f"/events?{wrong}", 400)


@pytest.mark.parametrize("path", ["/events/{}", "/events/{}/runs", "/runs/{}"])
def test_wrong_and_unknown_ids_are_reported(ask: Any, path: str):
    assert "Invalid" in ask(path.format("abc"), 400)["error"]
    assert "There is no" in ask(path.format(MISSING), 404)["error"]


def test_what_is_another_organizations_is_not_there(events: Events, ask: Any):
    run = events.send("document/process", "umbrella", documentId="d")
    event = event_of(events, run)
    for path in (f"/events/{event}", f"/events/{event}/runs", f"/runs/{run}"):
        ask(path, 404)
    ask(f"/runs/{run}", 404, "DELETE")
    assert ask("/events") == []
    assert events.run(run)["state"] == "waiting"


def test_an_id_that_two_organizations_have_tells_each_its_own_runs(events: Events, ask: Any):
    """The ids of events come of the sender's seed, which another sender may choose too."""
    body = json.dumps({"name": "document/process", "data": {"documentId": "d"}}).encode()
    ids = {
        tuple(ingest_events(events.services.ledger, whose, body, "1743130137367,eii2YKXRVTJPuA=="))
        for whose in ("acme", "b")
    }
    ((event,),) = ids
    assert [run["environment_id"] for run in ask(f"/events/{event}/runs")] == ["acme"]
    assert [event["internal_id"] for event in ask("/events")] == [event]


def test_a_waiting_run_is_cancelled_at_once_and_an_ended_one_is_not(events: Events, ask: Any):
    run = events.upload("d", "anvil")
    ask(f"/runs/{run}", 204, "DELETE")
    assert ask(f"/runs/{run}")["status"] == "Cancelled"
    ask(f"/runs/{run}", 204, "DELETE")
    events.tick()
    assert events.rowline.sql("SELECT * FROM documents") == []
    failed = events.send("document/process", documentId="nowhere")
    events.tick()
    ask(f"/runs/{failed}", 409, "DELETE")


def test_a_run_under_way_is_stopped_by_the_next_tick(events: Events, ask: Any):
    run = events.upload("d", "anvil")
    events.tick()
    ask(f"/runs/{run}", 204, "DELETE")
    events.tick()
    assert ask(f"/runs/{run}")["status"] == "Cancelled"
    assert events.rowline.sql("SELECT status FROM versions") == [{"status": "failed"}]


def test_the_signing_key_is_taken_in_its_four_spellings_and_is_the_default_organizations(
    services: Services, events: Events
):
    secret = SecretStr(SIGNING)
    changed = Services(services.settings.model_copy(update={"inngest_signing_key": secret}))
    changed.__dict__.update(database=services.database)
    run = events.send("document/process", "default", documentId="d")
    client = TestClient(create_app(changed))
    plain = SIGNING.removeprefix("signkey-prod-")
    digest = hashlib.sha256(bytes.fromhex(plain)).hexdigest()
    for spelling in (SIGNING, plain, digest, f"signkey-prod-{digest}"):
        answer = client.get(f"/v1/runs/{run}", headers={"Authorization": f"Bearer {spelling}"})
        assert answer.status_code == 200, answer.text
    for wrong in ("Bearer nonsense", f"Bearer {digest[:-1]}0", "Basic abc", ""):
        answer = client.get(f"/v1/runs/{run}", headers={"Authorization": wrong})
        assert (answer.status_code, answer.json()["status"]) == (401, 401)


def test_a_key_without_the_role_may_not_poll(client: TestClient, shown_by: Any):
    assert client.get("/v1/events", headers=shown_by("acme", "search")).status_code == 403


def test_the_registry_is_visible(client: TestClient, shown_by: Any):
    shown = client.get("/functions", headers=shown_by("acme", "events")).json()
    functions = {function["name"]: function for app in shown["apps"] for function in app["functions"]}
    assert set(functions) == {function.name for function in FUNCTIONS}
    uploaded = functions["document-uploaded"]
    assert uploaded["triggers"] == [{"event": "document/uploaded"}]
    assert set(uploaded["payload"]["required"]) == {"documentId", "filename", "filePath"}
    assert uploaded["settings"]["retries"] == 3
    assert uploaded["settings"]["cancelOn"] == [{"event": "document/cleanup", "match": "data.documentId"}]
    assert client.get("/functions").status_code == 401
    assert json.dumps(shown)
