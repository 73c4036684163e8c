"""Documents over HTTP: what the command does, for apps. The organization is always the key's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.gateway.http.conftest import MakeKey
from tests.laws.deployment import Deployment, csv_bytes, items

Upload = Callable[..., Any]


@pytest.fixture
def upload(client: TestClient, shown_by: MakeKey) -> Upload:
    """Sends a table as acme's uploader; fields of the form by name."""
    headers = shown_by("acme", "upload")

    def sent(table: list[list[str]] | bytes, filename: str = "items.csv", key: str | None = None, **fields: str) -> Any:
        body = table if isinstance(table, bytes) else csv_bytes(table)
        more = {"Idempotency-Key": key} if key else {}
        return client.post("/documents", files={"file": (filename, body)}, data=fields, headers=headers | more)

    return sent


def test_an_upload_is_recorded_and_told_where_it_is(
    upload: Upload, client: TestClient, shown_by: MakeKey, rowline: Deployment
) -> None:
    answer = upload(items("anvil", "bellows"), "품목.csv")
    assert answer.status_code == 201
    (told,) = answer.json()["documents"]
    assert (told["version"], told["filename"], told["status"]) == (1, "품목.csv", "pending")
    assert answer.headers["Location"] == f"/documents/{told['documentId']}"
    rowline.process(told["documentId"])
    shown = client.get(answer.headers["Location"], headers=shown_by("acme", "upload")).json()
    assert (shown["status"], shown["liveVersion"], shown["filename"]) == ("completed", 1, "품목.csv")
    hits = client.get("/search", params={"q": "anvil", "k": 1}, headers=shown_by("acme", "search")).json()["hits"]
    assert hits[0]["sources"][0] == {
        "documentId": told["documentId"],
        "version": 1,
        "filename": "품목.csv",
        "sheet": hits[0]["sources"][0]["sheet"],
        "rowNumber": 2,
        "employeeId": None,
    }
    lineage = client.get(f"/lineage/{hits[0]['vectorId']}", headers=shown_by("acme", "search")).json()
    assert [(row["rowNumber"], row["live"]) for row in lineage["rows"]] == [(2, True)]
