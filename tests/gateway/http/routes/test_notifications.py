"""Notifications over HTTP: an admin lists the organization's messages, in pages, and sends one again."""

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
        notification_id = services.ledger.outbox.enqueue(notice)
        with services.database.transaction() as connection:
            connection.execute(
                "UPDATE notifications SET state = %s WHERE notification_id = %s", (state, notification_id)
            )
        return notification_id

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
        page = client.get("/notifications", params={"limit": 2, **cursor}, headers=admin).json()
        seen += [each["notificationId"] for each in page["notifications"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == ids[::-1]
    first = client.get("/notifications", params={"limit": 1}, headers=admin).json()["notifications"][0]
    assert (first["to"], first["subject"], first["message"]) == ("team@example.com", "제목", "m4: 안녕하세요")
    assert (first["state"], first["attempts"], first["error"]) == ("waiting", 0, None)


def test_they_are_found_by_state(client: TestClient, shown_by: Callable[..., dict[str, str]], put: Callable[..., str]):
    lost = put("lost", state="unknown")
    put("fine")
    admin = shown_by("acme", "admin")
    listed = client.get("/notifications?state=unknown", headers=admin).json()["notifications"]
    assert [each["notificationId"] for each in listed] == [lost]
    assert client.get("/notifications?state=none", headers=admin).status_code == 422


def test_what_is_unknown_is_sent_anew_once(
    client: TestClient, shown_by: Callable[..., dict[str, str]], put: Callable[..., str]
):
    lost, admin = put("lost", state="unknown"), shown_by("acme", "admin")
    assert client.post(f"/notifications/{lost}/retry", headers=admin).json()["state"] == "waiting"
    again = client.post(f"/notifications/{lost}/retry", headers=admin)
    assert (again.status_code, again.headers["content-type"]) == (409, "application/problem+json")
    assert client.post(f"/notifications/{lost}/retry", headers=shown_by("globex", "admin")).status_code == 404


def test_the_old_name_answers_the_same_and_is_marked_deprecated(
    client: TestClient, shown_by: Callable[..., dict[str, str]], put: Callable[..., str]
):
    ids, admin = [put("m1"), put("m2", state="failed")], shown_by("acme", "admin")
    first = client.get("/notices", params={"limit": 1}, headers=admin).json()
    second = client.get("/notices", params={"limit": 1, "cursor": first["nextCursor"]}, headers=admin).json()
    assert [page["notices"][0]["noticeId"] for page in (first, second)] == ids[::-1]
    assert second["nextCursor"] is None
    listed = client.get("/notifications", headers=admin).json()["notifications"]
    assert [*first["notices"], *second["notices"]] == listed
    assert client.post(f"/notices/{ids[1]}/retry", headers=admin).json()["noticeId"] == ids[1]
    paths = client.get("/openapi.json").json()["paths"]
    deprecated = {path for path, methods in paths.items() if any(each.get("deprecated") for each in methods.values())}
    assert deprecated == {"/notices", "/notices/{noticeId}/retry"}


def test_ids_of_the_old_name_are_still_accepted(
    client: TestClient, shown_by: Callable[..., dict[str, str]], put: Callable[..., str], services: Services
):
    minted, admin = put("old", state="failed"), shown_by("acme", "admin")
    assert minted.startswith("ntf_")
    old = minted.replace("ntf_", "ntc_")
    with services.database.transaction() as connection:
        connection.execute("UPDATE notifications SET notification_id = %s WHERE notification_id = %s", (old, minted))
    newer = put("new")
    first = client.get("/notifications", params={"limit": 1}, headers=admin).json()
    second = client.get("/notifications", params={"cursor": first["nextCursor"]}, headers=admin).json()
    ids = [each["notificationId"] for page in (first, second) for each in page["notifications"]]
    assert ids == [newer, old], "newest first, across both names"
    assert client.post(f"/notifications/{old}/retry", headers=admin).json()["state"] == "waiting"
