"""Going back and clean-up over HTTP: refused at once where they cannot be, kept as events where they can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from operations.documents.removal import remove_document
from tests.gateway.http.acting import indexed
from tests.gateway.http.conftest import MakeKey
from tests.laws.deployment import Deployment, items

Ask = Callable[..., Any]


@pytest.fixture
def ask(client: TestClient, shown_by: MakeKey) -> Ask:
    headers = shown_by("acme", "upload")
    return lambda method, address, **more: client.request(method, address, headers=headers, **more)


def runs(rowline: Deployment) -> list[dict[str, Any]]:
    return rowline.sql("SELECT function, ordering_key, state FROM function_runs ORDER BY sequence")


def test_going_back_is_kept_as_an_event(ask: Ask, rowline: Deployment) -> None:
    document = indexed(rowline, items("anvil")).document_id
    indexed(rowline, items("bellows"), document)
    answer = ask("POST", f"/documents/{document}/rollback", json={"targetVersion": 1})
    assert answer.status_code == 202
    shown = answer.json()
    assert {**shown, "eventId": ""} == {"documentId": document, "targetVersion": 1, "liveVersion": 2, "eventId": ""}
    assert runs(rowline) == [{"function": "document-rollback", "ordering_key": document, "state": "waiting"}]
    assert rowline.sql("SELECT event_id FROM events") == [{"event_id": shown["eventId"]}]


WRONG: list[tuple[Any, int, str]] = [
    ({"targetVersion": 9}, 404, "has no completed version 9; completed and kept: 1, 2"),
    ({"targetVersion": 2}, 409, "is live already"),
    ({"targetVersion": 0}, 422, "body.targetVersion"),
    ({"targetVersion": 2**31}, 422, "body.targetVersion"),
    ({"targetVersion": "1"}, 422, "body.targetVersion"),
    ({"targetVersion": True}, 422, "body.targetVersion"),
    ({}, 422, "body.targetVersion"),
    ({"targetVersion": 1, "force": True}, 422, "body.force"),
    ([], 422, "body"),
]


def test_what_cannot_be_gone_back_to_is_refused_at_once(ask: Ask, rowline: Deployment) -> None:
    document = indexed(rowline, items("anvil")).document_id
    indexed(rowline, items("bellows"), document)
    for body, status, detail in WRONG:
        answer = ask("POST", f"/documents/{document}/rollback", json=body)
        assert (answer.status_code, detail in answer.json()["detail"]) == (status, True), answer.text
    assert runs(rowline) == []


def test_nothing_happens_under_a_version_on_its_way(ask: Ask, rowline: Deployment) -> None:
    document = indexed(rowline, items("anvil")).document_id
    rowline.upload(items("bellows"), document)
    answer = ask("POST", f"/documents/{document}/rollback", json={"targetVersion": 1})
    assert (answer.status_code, "is being processed" in answer.json()["detail"]) == (409, True)
    rowline.sql("UPDATE versions SET status = 'processing' WHERE version = 2")
    answer = ask("DELETE", f"/documents/{document}")
    assert (answer.status_code, "is being processed" in answer.json()["detail"]) == (409, True)
    assert ask("GET", f"/documents/{document}").status_code == 200
    assert runs(rowline) == []


def test_a_dry_run_tells_what_would_go_and_touches_nothing(ask: Ask, rowline: Deployment) -> None:
    document = indexed(rowline, items("anvil", "bellows")).document_id
    indexed(rowline, items("anvil"))  # shared: stays for the other document
    answer = ask("DELETE", f"/documents/{document}?dryRun=true")
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["documentId"], shown["dryRun"], shown["versions"]) == (document, True, [1])
    assert (shown["vectorsDeleted"], shown["namespacesAffected"]) == (1, ["org_acme"])
    assert runs(rowline) == []
    assert ask("GET", f"/documents/{document}").status_code == 200


@pytest.mark.parametrize("misspelt", ["dry_run=true", "DryRun=true", "dryrun=1&dryRun=false"])
def test_a_parameter_that_is_not_known_stops_a_removal(ask: Ask, rowline: Deployment, misspelt: str) -> None:
    document = rowline.index(items("anvil")).document_id
    refused = ask("DELETE", f"/documents/{document}?{misspelt}")
    assert refused.status_code == 422
    assert "no such query parameter; there are: dryRun" in refused.text
    assert ask("GET", f"/documents/{document}").status_code == 200


def test_a_deleted_document_is_gone_for_everybody_at_once(ask: Ask, rowline: Deployment) -> None:
    """A run removes the rest, and as much as the answer said."""
    document = indexed(rowline, items("anvil", "bellows")).document_id
    answer = ask("DELETE", f"/documents/{document}")
    assert answer.status_code == 202
    shown = answer.json()
    assert rowline.found("anvil") == []
    assert ask("GET", "/documents").json()["documents"] == []
    for again in (ask("GET", f"/documents/{document}"), ask("DELETE", f"/documents/{document}")):
        assert again.status_code == 404
    assert runs(rowline) == [{"function": "document-cleanup", "ordering_key": document, "state": "waiting"}]
    services = rowline.services
    done = remove_document(services.document_stores, document).as_json()
    same = ("versions", "vectorsDeleted", "namespacesAffected", "objectsDeleted")
    assert {name: shown[name] for name in same} == {name: done[name] for name in same}
    assert (rowline.stored(), list(services.objects.keys(""))) == ({}, [])
