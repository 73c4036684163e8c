"""Rate limits: of a key, of wrong keys from an address, and of events, refused with a status that SDKs repeat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from domain.access import signatures
from domain.access.api_keys import mint_key
from gateway.app import create_app
from gateway.http.auth.rate_limits import RateLimits
from operations.services import Services
from settings.settings import Settings
from tests.gateway.http.conftest import MakeKey

Limited = Callable[..., TestClient]
EVENT = {"name": "app/something"}


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The library's clock is the module `time`; here a test advances it."""
    clock = Clock()
    for module in ("limits.storage.memory", "limits.strategies"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(time=clock))
    return clock


@pytest.fixture
def limited(services: Services, clock: Clock) -> Iterator[Limited]:
    """A client that comes from an address, to a gateway with these limits."""
    clients: list[TestClient] = []

    def limited(address: str = "10.0.0.9", beside: TestClient | None = None, **more: Any) -> TestClient:
        if beside is None:
            changed = Services(Settings(_env_file=None, **{**services.settings.model_dump(), **more}))
            changed.__dict__["database"] = services.database
            app = create_app(changed)
            app.state.limits = RateLimits(changed.settings, clock)
        client = TestClient(beside.app if beside else app, client=(address, 4711), raise_server_exceptions=False)
        clients.append(client.__enter__())
        return client

    yield limited
    for client in clients:
        client.__exit__(None, None, None)


def statuses(client: TestClient, times: int, headers: dict[str, str] | None) -> list[int]:
    return [client.get("/keys", headers=headers).status_code for _ in range(times)]


def test_a_key_that_asks_too_often_waits_and_others_do_not(limited: Limited, shown_by: MakeKey, clock: Clock) -> None:
    client = limited(requests_per_minute=3)
    headers, other = shown_by("acme", "admin"), shown_by("acme", "admin")
    first = client.get("/keys", headers=headers)
    assert first.headers["ratelimit-policy"] == '"requests";q=3;w=60'
    assert first.headers["ratelimit"].startswith('"requests";r=2;t=')
    assert "retry-after" not in first.headers
    assert statuses(client, 3, headers) == [200, 200, 429]

    refused = client.get("/keys", headers=headers)
    shown = refused.json()
    assert (shown["status"], shown["title"]) == (429, "Too Many Requests")
    assert f"try again in {refused.headers['retry-after']} s" in shown["detail"]
    assert refused.headers["ratelimit"].startswith('"requests";r=0;t=')
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert statuses(client, 1, other) == [200], "another key, another count"
    clock.now += 61
    assert statuses(client, 1, headers) == [200]


def test_waiting_as_long_as_the_header_says_is_enough(limited: Limited, shown_by: MakeKey, clock: Clock) -> None:
    client, headers = limited(requests_per_minute=5), shown_by("acme", "admin")
    statuses(client, 5, headers)
    refused = client.get("/keys", headers=headers)
    assert refused.status_code == 429
    clock.now += int(refused.headers["retry-after"])
    assert client.get("/keys", headers=headers).status_code == 200


def test_a_session_counts_as_its_key(limited: Limited, key_of: Callable[..., str]) -> None:
    client, key = limited(requests_per_minute=2), key_of("acme", "admin")
    client.post("/sign-in", data={"key": key}, headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)
    assert statuses(client, 1, {"Authorization": f"Bearer {key}"}) == [200]
    assert len(client.cookies) == 1
    cookie = client.cookies.jar.__iter__().__next__()
    assert statuses(client, 2, {"Cookie": f"{cookie.name}={cookie.value}"}) == [200, 429]


def test_events_get_a_status_that_sdks_repeat(limited: Limited, key_of: Callable[..., str]) -> None:
    """SDKs repeat a 503, and take a 429 for the last word: the Python one would lose the event."""
    client, key = limited(event_requests_per_minute=2), key_of("acme", "events")
    answers = [client.post(f"/e/{key}", json=EVENT) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 503]
    shown = answers[-1].json()
    assert (shown["status"], bool(shown["error"])) == (503, True)
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_guessing_slows_down_for_whoever_guesses(limited: Limited, key_of: Callable[..., str], clock: Clock) -> None:
    """Bearers, event keys, signatures and the sign-in page are one count."""
    client = limited(failed_logins_per_minute=4)
    key_of("acme", "events")  # without any, the answer is to make one
    guess = mint_key().text
    tries = [
        client.get("/keys", headers={"Authorization": f"Bearer {guess}"}),
        client.get("/keys", headers={"Authorization": "Bearer not-even-a-key"}),
        client.post(f"/e/{guess}", json=EVENT),
        client.post("/sign-in", data={"key": guess}, headers={"Sec-Fetch-Site": "same-origin"}),
    ]
    assert [answer.status_code for answer in tries] == [401] * 4
    after = client.get("/keys", headers={"Authorization": f"Bearer {guess}"})
    assert (after.status_code, "retry-after" in after.headers) == (429, True)
    assert client.post(f"/e/{guess}", json=EVENT).status_code == 503
    again = client.post("/sign-in", data={"key": guess}, headers={"Sec-Fetch-Site": "same-origin"})
    assert again.status_code == 429
    assert client.get("/v1/events", headers={signatures.HEADER: "t=1&s=0"}).status_code == 429
    elsewhere = limited("10.0.0.10", beside=client)
    assert elsewhere.get("/keys", headers={"Authorization": f"Bearer {guess}"}).status_code == 401
    clock.now += 61
    assert client.get("/keys", headers={"Authorization": f"Bearer {guess}"}).status_code == 401


def test_wrong_keys_of_others_shut_no_good_one_out(limited: Limited, key_of: Callable[..., str]) -> None:
    """An office, or a proxy that TRUSTED_PROXIES does not name, is one address; SDKs give up after 2 s of 503."""
    signing = "signkey-test-" + "ab12" * 16
    client = limited(failed_logins_per_minute=4, inngest_signing_key=signing)
    assert statuses(client, 9, {"Authorization": f"Bearer {mint_key().text}"}) == [401] * 4 + [429] * 5

    new = key_of("acme", "admin", "events")  # this process has never seen it
    assert client.post(f"/e/{new}", json=EVENT).status_code == 200
    assert statuses(client, 1, {"Authorization": f"Bearer {new}"}) == [200]
    signed = signatures.signed(signatures.request_without_body("GET", "/v1/events"), signing, time.time())
    assert client.get("/v1/events", headers={signatures.HEADER: signed}).status_code == 200
    page = {"Sec-Fetch-Site": "same-origin"}
    assert client.post("/sign-in", data={"key": new}, headers=page, follow_redirects=False).status_code == 303
    assert statuses(client, 1, {"Authorization": f"Bearer {mint_key().text}"}) == [429], "the guesser waits on"


def test_the_defaults_are_far_from_normal_work() -> None:
    """A page that asks every 2 s, ten of them, and a burst of 500 uploads in a minute."""
    settings = Settings(_env_file=None)
    assert settings.requests_per_minute > 10 * 30 + 500
    assert settings.event_requests_per_minute >= 2_000 * 60, "events a second that the gateway was measured to take"
