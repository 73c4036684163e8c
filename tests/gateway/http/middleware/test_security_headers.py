"""What every answer carries, whom the gateway believes, and what it refuses before a route is asked."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from fastapi import Request
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.app import create_app
from gateway.http.middleware.request_limits import HEADER_BYTES, HEADERS, TARGET_BYTES, RequestScope
from gateway.http.middleware.security_headers import SecuredApp, guard
from operations.services import Services
from settings.settings import Settings
from tests.gateway.http.conftest import MakeKey

AROUND = {
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "cache-control",
}
APP, OTHER = "https://app.example.com", "https://evil.example.com"
Set = Callable[..., TestClient]


@pytest.fixture
def with_settings(services: Services) -> Iterator[Set]:
    """A client of a gateway that has these settings too."""
    opened: list[TestClient] = []

    def with_settings(**more: Any) -> TestClient:
        base, client = more.pop("base_url", "http://testserver"), more.pop("client", ("testclient", 50000))
        settings = Settings(**{**services.settings.model_dump(), **more})
        changed = Services(settings)
        changed.__dict__["database"] = services.database
        opened.append(
            TestClient(create_app(changed), base_url=base, client=client, raise_server_exceptions=False).__enter__()
        )
        return opened[-1]

    yield with_settings
    for client in opened:
        client.__exit__(None, None, None)


# -- headers ----------------------------------------------------------------------------------------------------


def test_every_answer_carries_the_security_headers(client: TestClient, shown_by: MakeKey) -> None:
    """Also a refusal, what is not there, and what nobody foresaw."""
    app = client.app
    assert isinstance(app, SecuredApp)

    @app.get("/breaks")
    def breaks() -> None:
        raise RuntimeError("nobody foresaw it")

    answers = {
        200: client.get("/keys", headers=shown_by("acme", "admin")),
        401: client.get("/keys"),
        404: client.get("/nowhere"),
        405: client.put("/keys"),
        413: client.post("/keys", content=b"x" * (2**20 + 1)),
        500: client.get("/breaks"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert set(answer.headers) >= AROUND
        assert "server" not in answer.headers
        assert "strict-transport-security" not in answer.headers, "not over plain http"


def test_the_policy_allows_nothing_inline_and_no_frame(client: TestClient) -> None:
    policy = client.get("/nowhere").headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy


def test_over_https_browsers_are_bound_to_it(with_settings: Set) -> None:
    assert (
        "max-age=31536000"
        in with_settings(base_url="https://testserver").get("/x").headers["strict-transport-security"]
    )


# -- proxies and names ------------------------------------------------------------------------------------------


def test_only_a_trusted_proxy_is_believed(with_settings: Set) -> None:
    shown = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    proxy = ("10.0.0.7", 4711)
    believed = with_settings(trusted_proxies="10.0.0.0/8", client=proxy).get("/x", headers=shown)
    assert "strict-transport-security" in believed.headers
    for settings in ({"trusted_proxies": "10.9.0.0/16"}, {}):
        doubted = with_settings(**settings, client=proxy).get("/x", headers=shown)
        assert "strict-transport-security" not in doubted.headers


def test_it_answers_under_its_own_names_only(with_settings: Set) -> None:
    client = with_settings(allowed_hosts="rowline.example.com, *.apps.example.com")
    for host, status in {
        "rowline.example.com": 404,
        "ROWLINE.example.com:8300": 404,
        "a.apps.example.com": 404,
        "apps.example.com": 400,
        "evil.example.com": 400,
        "rowline.example.com.evil.com": 400,
        "rowline.example.com:80@evil.com": 400,
        "": 400,
    }.items():
        shown = client.get("/nowhere", headers={"Host": host})
        assert (host, shown.status_code, shown.json()["status"]) == (host, status, status)
    assert client.get("/health-nowhere", headers={"Host": "10.1.2.3"}).status_code == 404, "probes ask by address"


# -- origins ----------------------------------------------------------------------------------------------------


def preflight(client: TestClient, path: str, origin: str) -> httpx.Response:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    return client.options(path, headers={"Origin": origin, **asked})


def test_pages_of_named_origins_may_call_and_no_others(with_settings: Set) -> None:
    client = with_settings(cors_origins=APP)
    allowed = preflight(client, "/keys", APP)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, APP)
    assert "access-control-allow-credentials" not in allowed.headers
    assert client.get("/keys", headers={"Origin": APP}).headers["access-control-allow-origin"] == APP
    assert "access-control-allow-origin" not in preflight(client, "/keys", OTHER).headers
    assert "access-control-allow-origin" not in client.get("/keys", headers={"Origin": OTHER}).headers


def test_without_the_setting_no_page_elsewhere_may_call(client: TestClient) -> None:
    assert "access-control-allow-origin" not in preflight(client, "/keys", APP).headers


def test_pages_of_every_app_may_send_events(with_settings: Set) -> None:
    for client in (with_settings(), with_settings(cors_origins=APP)):
        assert preflight(client, "/e/key", OTHER).headers["access-control-allow-origin"] == "*"
        assert client.post("/e/key", headers={"Origin": OTHER}).headers["access-control-allow-origin"] == "*"


# -- bounds -----------------------------------------------------------------------------------------------------


def test_what_is_too_large_is_refused_before_it_is_read(client: TestClient) -> None:
    asked: list[tuple[int, dict[str, Any]]] = [
        (431, {"headers": {f"x-{number}": "1" for number in range(HEADERS)}}),
        (431, {"headers": {"x-long": "가".encode() * HEADER_BYTES}}),
        (414, {"params": {"q": "x" * TARGET_BYTES}}),
        (413, {"content": b"x" * (2**20 + 1)}),
        (413, {"content": b"", "headers": {"Content-Length": "9" * 5000}}),
    ]
    for status, request in asked:
        shown = client.post("/keys", **request)
        assert (shown.status_code, shown.json()["status"]) == (status, status)


def scope_of(path: str, headers: dict[str, str]) -> dict[str, Any]:
    shown = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    where = {"path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"", "server": ("x", 80)}
    return {"type": "http", "http_version": "1.1", "scheme": "http", "method": "POST", "headers": shown, **where}


def driven(app: ASGIApp, path: str, receive: Receive, headers: dict[str, str] | None = None) -> int:
    """The status of a request whose body comes part by part; the test client would join it first."""
    statuses: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    asyncio.run(app(scope_of(path, {"content-type": "application/json", **(headers or {})}), receive, send))  # type: ignore[arg-type]
    [status] = statuses
    return status


def test_a_body_without_a_length_is_read_to_its_limit_and_no_further(client: TestClient, shown_by: MakeKey) -> None:
    taken = 0

    async def endless() -> Message:
        nonlocal taken
        taken += 2**16
        assert taken < 8 * 2**20
        return {"type": "http.request", "body": b" " * 2**16, "more_body": True}

    assert driven(client.app, "/keys", endless, shown_by("acme", "admin")) == 413
    assert taken <= 2**20 + 2**16


def test_a_request_that_stands_still_is_ended(services: Services) -> None:
    """408 where nothing more comes, 503 where no answer is made."""
    app = SecuredApp()
    guard(app, services.settings.model_copy(update={"request_timeout_seconds": 0.1}))

    @app.post("/thinks")
    async def thinks() -> None:
        await asyncio.Event().wait()

    @app.post("/reads")
    async def reads(request: Request) -> None:
        await request.body()

    async def empty() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def nothing() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    assert driven(app, "/thinks", empty) == 503
    assert driven(app, "/reads", nothing) == 408


def test_time_is_counted_from_the_last_sign_of_life() -> None:
    """An upload over a slow line goes on for as long as something comes."""
    ends: list[float | None] = []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        for _ in range(3):
            await receive()
            ends.append(passage.deadline.when())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        ends.append(passage.deadline.when())

    async def part() -> Message:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def taken(_: Message) -> None: ...

    async def run() -> None:
        nonlocal passage
        passage = RequestScope(scope_of("/x", {}), part, taken, None, 60)
        async with asyncio.timeout(60) as passage.deadline:
            await app({}, passage.receive, passage.send)

    passage: RequestScope
    asyncio.run(run())
    *while_reading, while_answering = ends
    assert all(a is not None and b is not None and a < b for a, b in pairwise(while_reading))
    assert while_answering is None, "an answer that streams may be silent for longer"
