"""The event log as a browser asks for it: what is told of an event, what is sent by hand, and what is refused."""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from domain.events.registry import FUNCTIONS, Function, read_payload
from gateway.pages.event_examples import EXAMPLES, example_of, fields_of
from operations.events.intake import ingest_events
from tests.gateway.pages.conftest import Questions, signed_in
from tests.laws.deployment import items

if TYPE_CHECKING:
    from tests.laws.deployment import Deployment


def sent(rowline: "Deployment", name: str = "app/x", organization: str = "acme", **data: Any) -> str:
    body = json.dumps({"name": name, "data": data}).encode()
    [event_id] = ingest_events(rowline.services.ledger, organization, body)
    return event_id


def set_run(rowline: "Deployment", event_id: str, **values: Any) -> None:
    """As the sensor leaves a run."""
    told = ", ".join(f"{name} = %({name})s" for name in values)
    rowline.sql(f"UPDATE function_runs SET {told} WHERE event_id = %(event)s", event=event_id, **values)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_each_example_is_taken_as_it_stands(function: Function) -> None:
    told = json.loads(example_of(function, "doc_1", "acme/"))
    read_payload(function, told)
    assert "{" not in "".join(str(value) for value in told.values())
    assert set(told) <= {field["name"] for field in fields_of(function)}
    assert {field["name"] for field in fields_of(function) if field["required"]} <= set(told)


def test_there_is_no_example_of_what_starts_nothing() -> None:
    assert set(EXAMPLES) == {function.event for function in FUNCTIONS}


def test_the_key_of_one_employee_shows_no_events_whatever_its_roles(
    client: TestClient, key_of: Callable[..., str]
) -> None:
    """`checked_rights` makes no such key; the ledger could hold one."""
    employee = signed_in(client, key_of("acme", "events", employee="E1"))
    assert [employee.get(page).status_code for page in ("/events", "/functions")] == [403, 403]


def test_an_event_that_starts_nothing_is_kept_and_said_to_be(person: TestClient) -> None:
    answer = person.post("/events", data={"name": " app/unknown ", "data": '{"이름": "보험"}'})
    assert '<h1 class="filename">app/unknown</h1>' in answer.text
    assert "Kept only" in answer.text
    assert "&#34;이름&#34;: &#34;보험&#34;" in answer.text
    assert "Kept only" in person.get("/events").text


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a", "{\n  no", "not right in line 2"),
        ("a", "[" * 100_000, "not right in line 1"),
        ("a", "[1]", "data"),
        ("", "{}", "name"),
        ("document/process", '{"documentId": 7}', "data.documentId"),
        ("document/process", '{"documentId": "d", "tenantId": "globex"}', "data.tenantId"),
    ],
)
def test_what_is_wrong_is_said_beside_the_form_which_keeps_what_was_written(
    person: TestClient, rowline: "Deployment", name: str, data: str, said: str
) -> None:
    answer = person.post("/events", data={"name": name, "data": data})
    alert = re.search(r'role="alert"[^>]*>(.*?)</div>', answer.text, re.S)
    assert (answer.status_code, alert is not None) == (422, True)
    assert said in alert[1]  # type: ignore[index]
    assert data.replace('"', "&#34;") in answer.text
    assert rowline.sql("SELECT 1 AS one FROM events") == []


def test_a_run_is_told_with_its_end_its_output_and_its_place_in_dagster(
    person: TestClient, rowline: "Deployment"
) -> None:
    event_id = sent(rowline, "vectors/sync.requested", repair=True)
    set_run(rowline, event_id, state="requested", dagster_run_id="run-1")
    assert "Scheduled" in person.get(f"/events/{event_id}").text
    set_run(rowline, event_id, state="completed", output='{"missing": 3, "note": "\\ud55c"}')
    page = person.get(f"/events/{event_id}").text
    assert "Completed" in page
    assert 'href="http://127.0.0.1:3000/runs/run-1"' in page
    assert "&#34;note&#34;: &#34;한&#34;" in page
    assert 'data-live="off"' in page
    assert 'href="http://127.0.0.1:3000/runs/run-1"' in person.get("/events").text
    set_run(rowline, event_id, state="failed", error="the store is away")
    assert "the store is away" in person.get(f"/events/{event_id}").text


def test_a_run_leads_to_its_document(person: TestClient, rowline: "Deployment") -> None:
    document = rowline.quick(rowline.upload(items("one")).document_id).document_id
    event_id = sent(rowline, "document/process", documentId=document)
    set_run(rowline, event_id, state="attached", document_id=document, version=1)
    page = person.get(f"/events/{event_id}").text
    assert f'href="/d/{document}"' in page
    assert "totalRows" in page


def test_a_page_of_events_costs_no_more_questions_than_one_event(questions: Questions, rowline: "Deployment") -> None:
    sent(rowline, "document/process", documentId="d")
    few = questions("/events")
    for number in range(20):
        sent(rowline, "document/process", documentId=f"d{number}")
    assert questions("/events") == few > 0


def test_what_apps_send_cannot_break_the_page_nor_write_it(person: TestClient, rowline: "Deployment") -> None:
    """NUL, half of a letter, markup: each is shown, none is believed."""
    event_id = sent(rowline, "a\0\ud800<script>alert(1)</script>", x='\0\udfff"><img src=x onerror=alert(1)>')
    for path in ("/events", f"/events/{event_id}"):
        answer = person.get(path)
        assert answer.status_code == 200, path
        assert "a\\u0000\\ud800&lt;script&gt;" in answer.text, path
        assert "<script>alert" not in answer.text, path
        assert "<img src=x" not in answer.text, path


def test_a_very_large_event_is_shown_in_part(person: TestClient, rowline: "Deployment") -> None:
    event_id = sent(rowline, x="y" * 1_000_000)
    text = person.get(f"/events/{event_id}").text
    assert len(text) < 200_000
    assert "y…</pre>" in text


def test_the_log_is_turned_page_by_page_and_narrowed_to_a_name(person: TestClient, rowline: "Deployment") -> None:
    ids = [sent(rowline, f"app/{'odd' if number % 2 else 'even'} & more") for number in range(27)]
    *_, newest = in_order = sorted(ids)  # of one millisecond, they follow their random part
    first = person.get("/events").text
    assert newest in first
    assert in_order[1] not in first
    [older] = re.findall(r'href="(/events\?name=[^"]*cursor=[^"]*)"', first)
    second = person.get(older.replace("&amp;", "&")).text
    assert in_order[1] in second
    assert newest not in second
    odd = person.get("/events", params={"name": "app/odd & more"}).text
    assert ids[25] in odd
    assert ids[26] not in odd
    assert "No such event" in person.get("/events?name=nothing%00").text
    assert person.get("/events?cursor=nonsense").status_code == 200


def test_events_of_others_are_not_there(person: TestClient, rowline: "Deployment") -> None:
    theirs = sent(rowline, "app/secret", organization="globex")
    assert "secret" not in person.get("/events").text
    for event_id in (theirs, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense", "%00"):
        assert person.get(f"/events/{event_id}").status_code == 404, event_id


def test_the_registry_is_told_with_its_fields(person: TestClient) -> None:
    page = person.get("/functions").text
    for function in FUNCTIONS:
        assert f'id="f-{function.name}"' in page
        assert f'href="/events?function={function.name}#send"' in page
    assert "targetVersion" in page
    assert not re.search(r"\([A-Z]\d+\)", page)
    assert person.get("/functions", headers={"Accept": "application/json"}).json()["apps"]


def test_the_way_back_of_a_document_is_told_by_ones_own_event_only(person: TestClient, rowline: "Deployment") -> None:
    document = rowline.index(items("anvil")).document_id
    rowline.index(items("bellows"), document)
    theirs = sent(rowline, "document/process", organization="globex", documentId="d")
    told = {person.get(f"/d/{document}?aim=1&event={event}").text.replace(event, "") for event in (theirs, "0" * 26)}
    assert len(told) == 1, "it waits, and that is nobody else's to know"
    ours = sent(rowline, "document/process", documentId=document)
    assert person.get(f"/d/{document}?aim=1&event={ours}").text.replace(ours, "") not in told
