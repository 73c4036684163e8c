"""Keys over HTTP: made, shown once, rotated, revoked, expired; who signed in with them; and where they open nothing."""

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from starlette.testclient import TestClient

from domain.access.api_keys import environment_of, mint_key
from domain.timestamps import isoformat_utc
from gateway.app import create_app
from operations.services import Services
from resources.ledger.access.api_keys import Key
from tests.gateway.http.conftest import MakeKey


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def ended(services: Services, key_id: str) -> Key:
    [key] = [key for key in services.ledger.api_keys.list_all() if key.key_id == key_id]
    return key


def age(services: Services, table: str, column: str, by: timedelta) -> None:
    """Let time pass, as the ledger sees it."""
    with services.database.transaction() as connection:
        connection.execute(f"UPDATE {table} SET {column} = {column} - %s", (by,))


def test_a_key_is_shown_once_and_kept_as_a_digest(client: TestClient, shown_by: MakeKey, services: Services) -> None:
    admin = shown_by("acme", "admin")
    made = client.post("/keys", json={"roles": ["admin"], "label": "업로드"}, headers=admin)
    assert made.status_code == 201
    key = made.json()["key"]
    assert environment_of(key) == "development"
    listed = client.get("/keys", headers=bearer(key)).json()["keys"]
    assert [(k["label"], k["state"], k["roles"]) for k in listed] == [
        ("업로드", "active", ["admin"]),
        ("test", "active", ["admin"]),
    ]
    with services.database.transaction() as connection:
        rows = connection.execute("SELECT keys::text AS all FROM keys").fetchall()
    assert key.rpartition("_")[2] not in str((listed, rows))


def test_rotating_leaves_the_old_key_its_grace(client: TestClient, shown_by: MakeKey, services: Services) -> None:
    admin = shown_by("acme", "admin")
    old = client.post("/keys", json={"roles": ["admin"], "label": "ci", "expiresDays": 30}, headers=admin).json()
    new = client.post(f"/keys/{old['keyId']}/rotate", headers=admin).json()
    assert (new["roles"], new["label"]) == (old["roles"], "ci")
    assert new["expiresAt"] > old["expiresAt"], "as long as the old one was meant to last"
    assert {client.get("/keys", headers=bearer(k["key"])).status_code for k in (old, new)} == {200}
    assert client.post(f"/keys/{old['keyId']}/rotate", headers=admin).status_code == 409, "it has its successor"

    age(services, "keys", "expires_at", timedelta(hours=24, seconds=1))
    output = client.get("/keys", headers=bearer(old["key"]))
    assert (output.status_code, output.json()["detail"]) == (401, f"Key {old['keyId']} is expired; ask for a new one")
    assert client.get("/keys", headers=bearer(new["key"])).status_code == 200


def test_a_grace_never_lengthens_the_life_of_the_old_key(client: TestClient, shown_by: MakeKey) -> None:
    admin = shown_by("acme", "admin")
    old = client.post("/keys", json={"roles": ["search"], "expiresDays": 1}, headers=admin).json()
    client.post(f"/keys/{old['keyId']}/rotate", json={"graceHours": 24 * 30}, headers=admin)
    listed = {key["keyId"]: key for key in client.get("/keys", headers=admin).json()["keys"]}
    assert listed[old["keyId"]]["expiresAt"] == old["expiresAt"]


def test_times_are_written_as_everywhere_else(client: TestClient, key_of: Callable[..., str]) -> None:
    """In UTC with a Z, whatever zone the database's session has."""
    admin = bearer(key_of("acme", "admin"))
    client.post("/keys", json={"roles": ["search"], "expiresDays": 1}, headers=admin)
    times = re.findall(r'"\w+At":"([^"]*)"', client.get("/keys", headers=admin).text)
    assert len(times) >= 3
    assert [time for time in times if not time.endswith("Z")] == []
    seoul = datetime(2026, 11, 21, 9, tzinfo=timezone(timedelta(hours=9)))
    assert (isoformat_utc(seoul), isoformat_utc(None)) == ("2026-11-21T00:00:00Z", None)


def test_rotating_without_grace_ends_the_old_key_at_once(client: TestClient, shown_by: MakeKey) -> None:
    admin = shown_by("acme", "admin")
    old = client.post("/keys", json={"roles": ["admin"]}, headers=admin).json()
    new = client.post(f"/keys/{old['keyId']}/rotate", json={"graceHours": 0}, headers=admin).json()
    assert client.get("/keys", headers=bearer(old["key"])).status_code == 401
    assert client.get("/keys", headers=bearer(new["key"])).status_code == 200


def test_a_revoked_key_and_its_sessions_are_over(client: TestClient, shown_by: MakeKey) -> None:
    admin = shown_by("acme", "admin")
    made = client.post("/keys", json={"roles": ["search"]}, headers=admin).json()
    assert client.delete(f"/keys/{made['keyId']}", headers=admin).json()["state"] == "revoked"
    output = client.get("/keys", headers=bearer(made["key"]))
    assert (output.status_code, output.json()["detail"]) == (401, f"Key {made['keyId']} is revoked; ask for a new one")
    assert output.headers["WWW-Authenticate"] == "Bearer"


def test_an_admin_reaches_the_keys_of_no_other_organization(
    client: TestClient, shown_by: MakeKey, services: Services
) -> None:
    admin, theirs = shown_by("acme", "admin"), mint_key()
    services.ledger.api_keys.put(theirs, "globex", "theirs", frozenset({"search"}))
    assert "theirs" not in client.get("/keys", headers=admin).text
    assert client.delete("/keys/%00", headers=admin).status_code == 422
    for answer in (
        client.delete(f"/keys/{theirs.key_id}", headers=admin),
        client.post(f"/keys/{theirs.key_id}/rotate", headers=admin),
    ):
        assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")
    assert ended(services, theirs.key_id).state == "active"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"roles": []}, 422, "roles"),
        ({"roles": ["owner"]}, 422, "roles"),
        ({"roles": ["search"], "organizationId": "globex"}, 422, "organizationId"),
        ({"roles": ["upload"], "employeeId": "E1"}, 422, "search only"),
        ({"roles": ["search"], "employeeId": "E9"}, 404, "Employee E9 is not in the list of acme"),
        ({"roles": ["search"], "label": "x" * 201}, 422, "label"),
        ({"roles": ["search"], "expiresDays": 0}, 422, "expiresDays"),
        ({"roles": ["search"], "label": "a\x00b"}, 422, "label"),
        ({"roles": ["search"], "employeeId": "E9", "label": "\ud800"}, 422, "label"),
    ],
)
def test_a_wish_that_cannot_be_is_reported_by_name(
    client: TestClient, shown_by: MakeKey, services: Services, body: dict[str, Any], status: int, said: str
) -> None:
    admin = {**shown_by("acme", "admin"), "Content-Type": "application/json"}
    output = client.post("/keys", content=json.dumps(body), headers=admin)
    assert (output.status_code, output.headers["content-type"]) == (status, "application/problem+json")
    assert said in output.json()["detail"]
    assert len(services.ledger.api_keys.list_all()) == 1


def test_the_use_of_a_key_is_noted_without_a_write_for_each_request(
    client: TestClient, shown_by: MakeKey, services: Services
) -> None:
    admin = shown_by("acme", "admin")
    for _ in range(3):
        client.get("/keys", headers=admin)
    with services.database.transaction() as connection:
        row = connection.execute("SELECT xmin::text, last_used_at FROM keys").fetchone()
    client.get("/keys", headers=admin)
    with services.database.transaction() as connection:
        assert connection.execute("SELECT xmin::text, last_used_at FROM keys").fetchone() == row, "nothing was written"
    age(services, "keys", "last_used_at", timedelta(minutes=6))
    client.get("/keys", headers=admin)
    with services.database.transaction() as connection:
        later = connection.execute("SELECT xmin::text, last_used_at FROM keys").fetchone()
    assert row is not None
    assert later is not None
    assert later["last_used_at"] >= row["last_used_at"]


@pytest.mark.parametrize("there", ["preview", "production"])
def test_a_key_of_another_environment_opens_nothing(services: Services, key_of: Callable[..., str], there: str) -> None:
    """A copy of production's database, as it is made for preview, holds the digests of production's keys."""
    key = key_of("acme", "admin")
    elsewhere = Services(services.settings.model_copy(update={"environment": there}))
    elsewhere.__dict__["database"] = services.database
    with TestClient(create_app(elsewhere)) as client:
        output = client.get("/keys", headers=bearer(key))
    assert output.status_code == 401
    assert output.json()["detail"].endswith(f"is for development, and this is {there}; show a key made here")
