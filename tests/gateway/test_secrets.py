"""Keys are in no log and in no error, wherever a caller put them (law 10): the real processes, and all they print."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from domain.access.api_keys import mint_key, mint_token
from domain.access.signatures import signed
from operations.services import Services
from tests.gateway.server.test_supervisor import Gateway, start  # noqa: F401 - a fixture

EVENT_KEY = "an-event-key-of-the-present-apps-7Qx2"
SIGNING_KEY = "signkey-prod-" + "1f2e3d4c5b6a7988" * 4
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
Request = tuple[str, str, dict[str, str], str]


def everywhere(key: str) -> Iterator[Request]:
    """Requests that hold the key where it belongs, and where people put it by mistake."""
    event = json.dumps({"name": "app/x", "data": {"key": key}})
    bearer = {"Authorization": f"Bearer {key}"}
    yield "GET", "/keys", bearer, ""
    yield "POST", "/keys", {**bearer, **JSON}, json.dumps({"roles": [key], "label": key})
    told = {"User-Agent": key, "Referer": f"https://x/{key}"} | ({"X-Request-Id": key} if "_" in key else {})
    yield "DELETE", "/keys/nobody", {**bearer, **told}, ""
    yield "GET", "/keys", {"Authorization": key}, ""
    yield "GET", "/keys", {"Authorization": f"Basic {key}"}, ""
    yield "GET", "/keys", {"Cookie": f"rowline_session={key}; __Host-rowline_session={key}"}, ""
    yield "GET", f"/search?q=x&key={key}&token={key}", {"X-Api-Key": key}, ""
    yield "GET", f"/nowhere/{key}", {}, ""
    yield "POST", f"/e/{key}", JSON, event
    yield "POST", f"/e/{key}/", JSON, "{" + key
    yield "POST", f"/e/{key}?key={key}", JSON, json.dumps({"name": ""})
    yield "GET", f"/e/{key}", {}, ""
    yield "POST", "/sign-in", FORM, f"key={key}&next=/"
    yield "POST", "/keys", {"x-inngest-signature": key, **JSON}, "{}"
    yield "POST", "/keys", {"x-inngest-signature": signed(b"{}", key, time.time()), **JSON}, "{}"


def answered(gateway: Gateway, request: Request) -> tuple[int, str]:
    method, path, headers, body = request
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    try:
        connection.request(method, path, body.encode(), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def malformed(gateway: Gateway, key: str) -> None:
    """What is no HTTP at all, which the server complains of by itself."""
    for line in (f"GET /e/{key} HTTP/9.9", f"\x01POST /e/{key}", f"GET / HTTP/1.1\r\n{key}"):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as connection:
            connection.sendall(f"{line}\r\n\r\n".encode())
            connection.recv(4096)


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["development", "production"])
def test_no_key_is_in_what_the_gateway_prints_or_answers(
    start: Callable[..., Gateway],  # noqa: F811
    services: Services,
    environment: str,
) -> None:
    """At its most talkative; with right keys, wrong ones, and a ledger that breaks under it."""
    new = mint_key(environment)  # type: ignore[arg-type]
    services.ledger.api_keys.put(new, "acme", "test", frozenset({"admin"}))
    keys = [new.text, mint_key(environment).text, EVENT_KEY, SIGNING_KEY, mint_token()]  # type: ignore[arg-type]
    gateway = start(
        ENVIRONMENT=environment,
        LOG_LEVEL="debug",
        INNGEST_EVENT_KEY=EVENT_KEY,
        INNGEST_SIGNING_KEY=SIGNING_KEY,
        FAILED_LOGINS_PER_MINUTE="100000",
        GATEWAY_WORKERS="1",
    )
    gateway.until(lambda: len(gateway.workers()) == 1)
    statuses: set[int] = set()
    for breaks in (False, True):
        if breaks:
            with services.database.transaction() as connection:
                connection.execute("ALTER TABLE keys RENAME TO keys_that_are_away")
        for key in keys:
            for request in everywhere(key):
                status, answer = answered(gateway, request)
                statuses.add(status)
                assert key not in answer, request
            malformed(gateway, key)
    assert statuses >= {200, 400, 401, 404, 405, 500}, "each kind of answer has been seen"
    printed = gateway.log.read_text("utf-8")
    assert "a request failed" in printed, "the ledger that broke was told"
    for key in keys:
        # ours are known by their shape, a team's own by the settings; what is neither must not be printed at all
        assert key not in printed
        assert key.rpartition("_")[2].rpartition("-")[2] not in printed
    assert re.search(rf"{new.key_id}", printed), "the id of the key stays, so that it can be found"
