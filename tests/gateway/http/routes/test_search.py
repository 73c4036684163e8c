"""Search and lineage over HTTP, within what a key may see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.gateway.http.acting import indexed
from tests.gateway.http.conftest import MakeKey
from tests.laws.deployment import Deployment, items, template

Ask = Callable[..., Any]


@pytest.fixture
def ask(client: TestClient, shown_by: MakeKey) -> Ask:
    keys = {
        "acme": shown_by("acme", "search"),
        "rival": shown_by("rival", "search"),
        "E1": shown_by("acme", "search", employee="E1"),
        "E2": shown_by("acme", "search", employee="E2"),
    }

    def asked(address: str, who: str = "acme", method: str = "GET", **more: Any) -> Any:
        return client.request(method, address, headers=keys[who], **more)

    return asked


def week(rowline: Deployment) -> str:
    rowline.employees("E1", "E2")
    table = [["no", "task"], ["E1", "welding pipes"], ["E2", "painting walls"]]
    split = template(name="staff", employeeIdentifier="no")
    return indexed(rowline, table, filename="주간.csv", template=split, mode="employee_split").document_id


def test_a_search_finds_rows_and_names_where_they_stand(ask: Ask, rowline: Deployment) -> None:
    document = indexed(rowline, items("anvil", "bellows"), filename="품목.csv").document_id
    (hit,) = ask("/search", params={"q": "anvil", "k": 1}).json()["hits"]
    assert hit["text"] == "item: anvil\ncolour: colour of anvil"
    (source,) = hit["sources"]
    assert (source["documentId"], source["version"], source["filename"]) == (document, 1, "품목.csv")
    assert (source["rowNumber"], source["employeeId"]) == (2, None)
    lineage = ask(f"/lineage/{hit['vectorId']}").json()
    assert (lineage["namespace"], lineage["text"]) == ("org_acme", hit["text"])
    (row,) = lineage["rows"]
    assert (row["rowNumber"], row["live"], row["sourceRow"]["item"]) == (2, True, "anvil")
    assert ask("/search", "rival", params={"q": "anvil"}).json() == {"hits": []}
    assert ask(f"/lineage/{hit['vectorId']}", "rival").status_code == 404


def test_long_questions_go_into_a_body(ask: Ask, rowline: Deployment) -> None:
    indexed(rowline, items("anvil", "bellows"))
    question = "anvil " * 1000
    assert ask("/search", params={"q": question}).status_code == 422
    (hit,) = ask("/search", method="POST", json={"q": question, "k": 1}).json()["hits"]
    assert "anvil" in hit["text"]


def test_a_search_is_narrowed_to_a_document_or_an_employee(ask: Ask, rowline: Deployment) -> None:
    split = week(rowline)
    other = indexed(rowline, items("welding")).document_id

    def texts(**scope: str) -> list[str]:
        return [hit["text"] for hit in ask("/search", params={"q": "welding", **scope}).json()["hits"]]

    assert texts(documentId=split) == ["no: E1\ntask: welding pipes", "no: E2\ntask: painting walls"]
    assert texts(documentId=other) == ["item: welding\ncolour: colour of welding"]
    assert texts(employeeId="E2") == ["no: E2\ntask: painting walls"]
    assert texts(employeeId="E9") == []


def test_a_key_of_an_employee_finds_that_employees_rows_only(ask: Ask, rowline: Deployment) -> None:
    document = week(rowline)
    indexed(rowline, items("welding"))  # the company's
    for params in ({}, {"employeeId": "E2"}, {"documentId": document}):
        hits = ask("/search", "E2", params={"q": "welding", **params}).json()["hits"]
        assert [hit["sources"][0]["employeeId"] for hit in hits] == ["E2"]
    other = ask("/search", "E2", params={"q": "welding", "employeeId": "E1"})
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "employeeId")
    hits = ask("/search", params={"q": "welding"}).json()["hits"]
    theirs = {hit["sources"][0]["employeeId"]: hit["vectorId"] for hit in hits}
    assert ask(f"/lineage/{theirs['E2']}", "E2").json()["rows"][0]["employeeId"] == "E2"
    for vector in (theirs["E1"], theirs[None]):
        assert ask(f"/lineage/{vector}", "E2").status_code == 404


@pytest.mark.parametrize("address", ["/documents", "/documents/doc_0", "/api/documents/doc_0/status"])
def test_a_key_of_an_employee_sees_no_documents(client: TestClient, shown_by: MakeKey, address: str) -> None:
    headers = shown_by("acme", "upload", "search", employee="E1")
    assert client.get(address, headers=headers).status_code == 403


def test_what_a_search_cannot_reach_is_reported(ask: Ask, rowline: Deployment) -> None:
    document = indexed(rowline, items("anvil")).document_id
    rowline.sql("UPDATE versions SET indexed_in_store = 'elsewhere'")
    assert ask("/search", params={"q": "anvil"}).json()["notSearched"] == [document]
    assert ask("/search", "E1", params={"q": "anvil"}).json() == {"hits": []}, "an employee's key sees no documents"


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "query.q"),
        ({"q": ""}, "query.q"),
        ({"q": " \n"}, "q"),
        ({"q": "a\0b"}, "query.q"),
        ({"q": "a", "k": 0}, "query.k"),
        ({"q": "a", "k": 201}, "query.k"),
        ({"q": "a", "employeeId": "x" * 65}, "query.employeeId"),
    ],
)
def test_wrong_questions_are_named(ask: Ask, params: dict[str, Any], field: str) -> None:
    answer = ask("/search", params=params)
    assert (answer.status_code, [wrong["field"] for wrong in answer.json()["errors"]]) == (422, [field])


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"q": "\\ud800"}', b'{"q": 1}', b'{"q": "a", "k": 1e400}', b"[" * 100_000]
)
def test_hostile_questions_are_refused(client: TestClient, shown_by: MakeKey, body: bytes) -> None:
    headers = shown_by("acme", "search") | {"Content-Type": "application/json"}
    answer = client.post("/search", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_unknown_vectors_and_documents_are_not_found(ask: Ask) -> None:
    assert ask("/lineage/00000000-0000-0000-0000-000000000000").status_code == 404
    assert ask("/lineage/x").status_code == 422
    assert ask("/search", params={"q": "a", "documentId": "doc_0"}).status_code == 404
