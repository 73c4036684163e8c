"""POST /e: kept before it is answered, once however often it is sent, refused in the words that SDKs read."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.testclient import TestClient

from domain.events.ids import is_ulid
from gateway.app import create_app
from operations.services import Services
from tests.domain.events.test_parsing import FIELDS, JSON
from tests.laws.deployment import Deployment

KEY = "a-team's-key-0123456789abcdef0123456789"
SEED = {"x-inngest-event-id-seed": "1743130137367,eii2YKXRVTJPuA=="}
UPLOADED = {"name": "document/process", "data": {"documentId": "d-1"}}


@pytest.fixture
def key(key_of: Callable[..., str]) -> str:
    return key_of("acme", "events")


@pytest.fixture
def send(client: TestClient, key: str) -> Callable[..., Any]:
    """Sends a body, or what is not bytes as JSON, and gives the answer's JSON, whose status must be the HTTP code."""

    def sent(body: Any, code: int = 200, **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = client.post(f"/e/{key}", content=content, headers=headers)
        shown = answer.json()
        assert (answer.status_code, shown["status"]) == (code, code), shown
        assert bool(shown.get("error")) == (code != 200)
        return shown

    return sent


def kept(rowline: Deployment) -> list[dict[str, Any]]:
    return rowline.sql("SELECT * FROM events ORDER BY organization_id, event_id")


def test_events_are_kept_and_answered_with_their_ids_in_order(send: Any, rowline: Deployment):
    shown = send([{"name": "b", "data": {"이름": "보험"}}, {"name": "a"}, UPLOADED])
    assert set(shown) == {"ids", "status"}
    assert shown["ids"] == sorted(shown["ids"])
    assert all(map(is_ulid, shown["ids"]))
    assert [(row["event_id"], row["name"]) for row in kept(rowline)] == list(
        zip(shown["ids"], ["b", "a", "document/process"], strict=True)
    )
    assert json.loads(kept(rowline)[0]["content"])["data"] == {"이름": "보험"}
    (run,) = rowline.sql("SELECT * FROM function_runs")
    assert (run["event_id"], run["function"], run["ordering_key"], run["state"]) == (
        shown["ids"][2],
        "document-process",
        "d-1",
        "waiting",
    )


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8"])
def test_the_content_type_does_not_matter(send: Any, kind: str):
    """`curl -d` says that it sends a form."""
    assert len(send(b'{"name":"a"}', **{"content-type": kind})["ids"]) == 1


def test_chunks_and_a_query_are_fine(client: TestClient, key: str):
    answer = client.post(f"/e/{key}?a=b", content=iter([b'[{"name"', b':"a"}', b"]"]))
    assert answer.json()["status"] == 200


@pytest.mark.parametrize("body", [b"", b"[]"])
def test_nothing_is_answered_as_the_event_server_does(send: Any, body: bytes):
    assert send(body) == {"ids": [""], "status": 200}


def test_a_seed_gives_its_ids_and_a_repeat_has_no_second_effect(send: Any, rowline: Deployment):
    """What saves an event whose answer was lost."""
    first = send([UPLOADED, UPLOADED], **SEED)
    assert first["ids"] == ["01JQDAE4RQF8MBCR55T5AK4KXS", "01JQDAE4RQF8MBCR55T5AK4KXT"]
    assert send([UPLOADED, UPLOADED], **SEED) == first
    assert len(kept(rowline)) == len(rowline.sql("SELECT * FROM function_runs")) == 2


def test_a_malformed_seed_is_ignored(send: Any):
    assert is_ulid(send(UPLOADED, **{"x-inngest-event-id-seed": "nonsense"})["ids"][0])


def test_an_id_counts_once_in_24_hours_in_an_organization(
    send: Any, rowline: Deployment, client: TestClient, key_of: Any
):
    event = {**UPLOADED, "id": "order-5\ud800\0"}
    first = send(event)["ids"]
    assert send(event)["ids"] == first
    assert send([{"name": "x"}, event, event])["ids"][1:] == first * 2
    other = client.post(f"/e/{key_of('umbrella', 'events')}", content=json.dumps(event)).json()["ids"]
    assert other != first
    assert len(rowline.sql("SELECT * FROM function_runs WHERE organization_id = 'acme'")) == 1
    rowline.sql("UPDATE event_idempotency_keys SET received_at = now() - interval '25 hours'")
    assert send(event)["ids"] != first
    assert len(rowline.sql("SELECT * FROM function_runs WHERE organization_id = 'acme'")) == 2


def test_the_same_id_under_another_name_is_another_event(send: Any, rowline: Deployment):
    """An id is its function's: an order's number may name its upload, and later its clean-up."""
    upload = {"name": "document/uploaded", "id": "7", "data": UPLOADED["data"] | {"filename": "a", "filePath": "a"}}
    cleanup = {"name": "document/cleanup", "id": "7", "data": UPLOADED["data"]}
    ids = send([{"name": "order/made", "id": "7"}, upload, cleanup])["ids"]
    assert len(set(ids)) == 3
    assert send([cleanup, upload])["ids"] == [ids[2], ids[1]]
    assert len(rowline.sql("SELECT * FROM function_runs")) == 2


def test_the_same_id_twice_in_a_request_is_one_event(send: Any, rowline: Deployment):
    ids = send([{**UPLOADED, "id": "i"}, {**UPLOADED, "id": "i"}])["ids"]
    assert ids[0] == ids[1]
    assert len(kept(rowline)) == 1


def test_the_same_seed_in_two_organizations_is_two_events(
    send: Any, client: TestClient, key_of: Any, rowline: Deployment
):
    """A seed is the sender's own choice: nobody may make another one's event unheard."""
    mine = send(UPLOADED, **SEED)["ids"]
    theirs = client.post(f"/e/{key_of('umbrella', 'events')}", content=json.dumps(UPLOADED), headers=SEED)
    assert theirs.json()["ids"] == mine
    assert len(rowline.sql("SELECT * FROM function_runs")) == 2


def test_parallel_repeats_start_each_once(send: Any, rowline: Deployment):
    """The same ids in another order each time: nobody waits for ever for anybody."""
    events = [{**UPLOADED, "id": f"i{number}"} for number in range(50)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: send(events[n:] + events[:n]), range(0, 48, 6)))
    assert len({tuple(sorted(shown["ids"])) for shown in answers}) == 1
    assert len(rowline.sql("SELECT * FROM function_runs")) == 50


def test_one_wrong_event_refuses_all_of_its_request(send: Any, rowline: Deployment):
    shown = send([{"name": "a"}, {"name": "document/process", "data": {}}], 400)
    assert shown == {
        "ids": [""],
        "status": 400,
        "error": "document/process: data.documentId: is missing (event 2 of 2)",
    }
    assert kept(rowline) == []
    for alone in ({"name": "document/process", "data": {}}, [{"name": ""}]):
        assert "(event" not in send(alone, 400)["error"]


def test_an_event_of_another_tenant_is_forbidden(send: Any):
    send({"name": "document/process", "data": {"documentId": "d", "tenantId": "umbrella"}}, 403)


def test_five_hundred_events_are_a_handful_of_statements(
    send: Any, services: Services, monkeypatch: pytest.MonkeyPatch
):
    import psycopg

    statements = []
    real = psycopg.Cursor.execute

    def execute(self: Any, query: Any, *rest: Any, **more: Any) -> Any:
        statements.append(query)
        return real(self, query, *rest, **more)

    monkeypatch.setattr(psycopg.Cursor, "execute", execute)
    send([{**UPLOADED, "id": str(number)} for number in range(500)])
    assert len(statements) < 15


# -- keys -------------------------------------------------------------------------------------------------------


def test_an_unknown_key_is_refused_before_the_body_is_read(client: TestClient, key: str):
    def body() -> Any:
        raise AssertionError("the body was read")
        yield b""

    for wrong in ("nonsense", key[:-1] + ("y" if key[-1] == "x" else "x"), "%00", "a/b", "한글", "rl_" + "a" * 16):
        answer = client.post(f"/e/{wrong}", content=b"{")
        assert (answer.status_code, answer.json()) == (
            401,
            {"status": 401, "message": "", "error": "Event key not found"},
        )


def test_a_key_without_the_role_or_revoked_may_not_send(client: TestClient, key_of: Any, services: Services):
    assert client.post(f"/e/{key_of('acme', 'search')}", content=b"{}").status_code == 401
    key = key_of("acme", "events")
    assert client.post(f"/e/{key}", content=b'{"name":"a"}').status_code == 200
    services.ledger.api_keys.revoke(services.ledger.api_keys.caller(key).key_id)  # type: ignore[union-attr, arg-type]
    assert client.post(f"/e/{key}", content=b'{"name":"a"}').status_code == 401


@pytest.fixture
def with_team_key(services: Services) -> Callable[[str | None], TestClient]:
    """A gateway whose INNGEST_EVENT_KEY is this one."""

    def made(key: str | None) -> TestClient:
        secret = SecretStr(key) if key is not None else None
        changed = Services(services.settings.model_copy(update={"inngest_event_key": secret}))
        changed.__dict__.update(database=services.database)
        return TestClient(create_app(changed))

    return made


def test_the_teams_present_key_goes_on_working(with_team_key: Any, rowline: Deployment):
    client = with_team_key(KEY)
    assert client.post(f"/e/{KEY}", content=b'{"name":"a"}').json()["status"] == 200
    assert client.post("/e/other", content=b'{"name":"a"}').status_code == 401
    assert [row["organization_id"] for row in kept(rowline)] == ["default"]


@pytest.mark.parametrize("placeholder", ["changeme", "<your-key>", "your-event-key", "xxxx"])
def test_a_placeholder_is_no_key(with_team_key: Any, placeholder: str, key_of: Any):
    key_of("acme", "events")
    assert with_team_key(placeholder).post(f"/e/{placeholder}", content=b'{"name":"a"}').status_code == 401


def test_without_any_key_nothing_is_taken(with_team_key: Any):
    answer = with_team_key(None).post("/e/anything", content=b'{"name":"a"}')
    assert answer.status_code == answer.json()["status"] == 503
    assert answer.json()["error"].startswith("Event keys are required to process events securely")


@pytest.mark.parametrize("key", ["%0A", "a%0A%0Ab", "a/b", "%00", "%ED%A0%80", "%EC%97%B4%EC%87%A0"])
def test_whatever_stands_for_a_key_is_answered_as_a_wrong_one(client: TestClient, key_of: Any, key: str):
    key_of("acme", "events")
    answer = client.post(f"/e/{key}", content=b'{"name":"a"}')
    assert (answer.status_code, answer.json()["status"]) == (401, 401)
    assert answer.json()["error"]


# -- methods, sizes, hostile ------------------------------------------------------------------------------------


def test_only_post_and_from_any_page(client: TestClient, key: str):
    for method in ("GET", "PUT", "DELETE"):
        answer = client.request(method, f"/e/{key}")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
        assert answer.json()["error"]
    asked = client.options(f"/e/{key}", headers={"origin": "https://app", "access-control-request-method": "POST"})
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, "*")
    sent = client.post(f"/e/{key}", content=b'{"name":"a"}', headers={"origin": "https://app"})
    assert sent.headers.get_list("access-control-allow-origin") == ["*"]
    assert sent.headers["x-inngest-server-kind"] == "cloud"


def test_what_is_too_large_is_refused_without_reading_on(client: TestClient, key: str, services: Services):
    limit = services.settings.max_event_request_bytes
    read = []

    def body() -> Any:
        for _ in range(1000):
            read.append(1 << 20)
            yield b"x" * (1 << 20)

    for answer in (
        client.post(f"/e/{key}", content=b"x" * 10, headers={"content-length": str(limit + 1)}),
        client.post(f"/e/{key}", content=b"x" * (limit + 1)),
    ):
        assert answer.status_code == answer.json()["status"] == 413
        assert f"Max {limit} bytes" in answer.json()["error"]


def test_an_event_beyond_three_megabytes_is_refused_and_below_taken(send: Any):
    assert "Event is over the max size" in send({"name": "a", "data": {"t": "x" * 3_145_728}}, 400)["error"]
    send({"name": "a", "data": {"t": "x" * 3_145_000}})


def test_more_than_five_thousand_are_refused_and_as_many_taken(send: Any, rowline: Deployment):
    assert "more than 5000" in send([{"name": "a"}] * 5001, 400)["error"]
    assert len(set(send([{"name": "a"}] * 5000)["ids"])) == 5000
    assert len(kept(rowline)) == 5000


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | (FIELDS | st.lists(FIELDS, max_size=3) | JSON).map(lambda v: json.dumps(v).encode()))
def test_whatever_is_sent_is_answered_with_200_or_400(client: TestClient, key: str, body: bytes):
    answer = client.post(f"/e/{key}", content=body)
    assert answer.status_code == answer.json()["status"]
    assert answer.status_code in (200, 400)


def test_a_database_that_is_away_is_503_in_json(services: Services, key_of: Any):
    from resources.database.connections import Database

    key = key_of("acme", "events")
    away = Services(services.settings)
    away.__dict__["database"] = Database("postgresql://127.0.0.1:1/none", pool_seconds=0.2)
    with TestClient(create_app(away)) as client:
        answer = client.post(f"/e/{key}", content=b'{"name":"a"}')
    assert (answer.status_code, answer.json()["status"]) == (503, 503)
    assert "is away" in answer.json()["error"]
    assert "127.0.0.1" not in answer.text, "a stranger learns no names of servers"
    away.close()


def test_a_failure_that_nobody_thought_of_is_json_too(
    client: TestClient, key: str, services: Services, monkeypatch: Any
):
    monkeypatch.setattr(services.ledger.events, "take", lambda *_: 1 / 0)
    answer = client.post(f"/e/{key}", content=b'{"name":"a"}')
    assert (answer.status_code, answer.json()["status"], bool(answer.json()["error"])) == (500, 500, True)


def test_too_many_at_once_get_a_status_that_sdks_repeat(client: TestClient, key: str):
    client.app.state.open_sends = 1000  # type: ignore[attr-defined]
    answer = client.post(f"/e/{key}", content=b'{"name":"a"}')
    assert (answer.status_code, answer.json()["status"]) == (503, 503)
    client.app.state.open_sends = 0  # type: ignore[attr-defined]
    assert client.post(f"/e/{key}", content=b'{"name":"a"}').status_code == 200
