"""Notices over HTTP: an admin sees what the organization's people were told, in pages, and sends anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from domain.notifications.messages import NewNotification
from operations.services import Services


@pytest.fixture
def put(services: Services) -> Callable[..., str]:
    def made(key: str, organization: str = "acme", state: str = "waiting") -> str:
        notice = NewNotification(organization, key, "email", "team@example.com", "제목", f"{key}: 안녕하세요")
        notice_id = services.ledger.outbox.enqueue(notice)
        with services.database.transaction() as connection:
            connection.execute("UPDATE notices SET state = %s WHERE notice_id = %s", (state, notice_id))
        return notice_id

    return made


def test_an_admin_sees_the_organizations_messages_in_pages(
    client: TestClient, shown_by: Callable[..., dict[str, str]], put: Callable[..., str]
):
    ids = [put(f"m{number}") for number in range(5)]
    put("other", "globex")
    admin = shown_by("acme", "admin")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/notices", params={"limit": 2, **cursor}, headers=admin).json()
        seen += [notice["noticeId"] for notice in page["notices"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == ids[::-1]
    first = client.get("/notices", params={"limit": 1}, headers=admin).json()["notices"][0]
    assert (first["to"], first["subject"], first["message"]) == ("team@example.com", "제목", "m4: 안녕하세요")
    assert (first["state"], first["attempts"], first["error"]) == ("waiting", 0, None)


def test_they_are_found_by_state(client: TestClient, shown_by: Callable[..., dict[str, str]], put: Callable[..., str]):
    lost = put("lost", state="unknown")
    put("fine")
    admin = shown_by("acme", "admin")
    assert [n["noticeId"] for n in client.get("/notices?state=unknown", headers=admin).json()["notices"]] == [lost]
    assert client.get("/notices?state=none", headers=admin).status_code == 422


def test_what_is_unknown_is_sent_anew_once(
    client: TestClient, shown_by: Callable[..., dict[str, str]], put: Callable[..., str]
):
    lost, admin = put("lost", state="unknown"), shown_by("acme", "admin")
    assert client.post(f"/notices/{lost}/retry", headers=admin).json()["state"] == "waiting"
    again = client.post(f"/notices/{lost}/retry", headers=admin)
    assert (again.status_code, again.headers["content-type"]) == (409, "application/problem+json")
    assert client.post(f"/notices/{lost}/retry", headers=shown_by("globex", "admin")).status_code == 404
