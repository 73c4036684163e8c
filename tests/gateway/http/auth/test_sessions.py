"""Browsers: signed in with a key, by a cookie that nobody else gets; the developer of this computer without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from gateway.app import create_app
from gateway.http.auth.callers import FORWARDED
from gateway.http.auth.cookies import COOKIE, GUARDED
from operations.services import Services
from settings.settings import Settings
from tests.gateway.http.conftest import MakeKey

OURS = {"Sec-Fetch-Site": "same-origin"}
KEYS = "/keys"  # what only an admin sees
Open = Callable[..., TestClient]


@pytest.fixture
def opened(services: Services) -> Iterator[Open]:
    """A client that comes from an address, under a name, to a gateway with these settings."""
    clients: list[TestClient] = []

    def opened(name: str = "http://127.0.0.1:8300", address: str = "127.0.0.1", **more: Any) -> TestClient:
        changed = Services(Settings(_env_file=None, **{**services.settings.model_dump(), **more}))
        changed.__dict__["database"] = services.database
        client = TestClient(create_app(changed), base_url=name, client=(address, 4711), follow_redirects=False)
        clients.append(client.__enter__())
        return client

    yield opened
    for client in clients:
        client.__exit__(None, None, None)


def signed_in(client: TestClient, key: str) -> tuple[str, SimpleCookie]:
    """Show the key on the page; the cookie's name and what was said of it."""
    answer = client.post("/sign-in", data={"key": key}, headers=OURS)
    assert answer.status_code == 303
    cookies = SimpleCookie(answer.headers["set-cookie"])
    [name] = cookies
    return name, cookies


# -- sessions ---------------------------------------------------------------------------------------------------


def test_the_cookie_is_for_no_script_no_other_site_and_tls_only(opened: Open, key_of: Callable[..., str]) -> None:
    key = key_of("acme", "admin")
    for name, guarded in {
        "http://127.0.0.1:8300": False,
        "http://localhost:8300": False,
        "https://rowline.example.com": True,
        "http://rowline.example.com": True,  # a proxy ends TLS, and no setting says so
    }.items():
        client = opened(name, session_hours=2)
        cookie, said = signed_in(client, key)
        assert cookie == (f"{GUARDED}{COOKIE}" if guarded else COOKIE)
        flags = said[cookie]
        assert (flags["httponly"], flags["samesite"], flags["path"], flags["domain"]) == (True, "strict", "/", "")
        assert bool(flags["secure"]) is guarded
        assert int(flags["max-age"]) == 2 * 3600
    assert "no-store" in client.get("/sign-in", headers={"Accept": "text/html"}).headers["cache-control"]


def test_a_session_ends_by_signing_out_by_time_and_with_its_key(
    opened: Open, key_of: Callable[..., str], services: Services
) -> None:
    client = opened(address="10.0.0.9")
    looks = lambda token: client.get(KEYS, headers={"Cookie": f"{COOKIE}={token}"}).status_code  # noqa: E731
    tokens = []
    for _ in range(4):
        client.cookies.clear()
        tokens.append(signed_in(client, key_of("acme", "admin"))[1][COOKIE].value)
    client.cookies.clear()
    assert [looks(token) for token in tokens] == [200, 200, 200, 200]

    client.post("/sign-out", headers={**OURS, "Cookie": f"{COOKIE}={tokens[0]}"})
    assert [looks(token) for token in tokens] == [401, 200, 200, 200]
    newest, before = services.ledger.api_keys.list_all("acme")[:2]
    services.ledger.api_keys.revoke(newest.key_id)
    assert [looks(token) for token in tokens] == [401, 200, 200, 401]
    with services.database.transaction() as connection:
        connection.execute("UPDATE keys SET expires_at = now() WHERE key_id = %s", (before.key_id,))
    assert [looks(token) for token in tokens] == [401, 200, 401, 401]
    with services.database.transaction() as connection:
        connection.execute("UPDATE sessions SET expires_at = expires_at - %s", (timedelta(hours=12, seconds=1),))
    assert looks(tokens[1]) == 401


def test_nobody_is_given_a_session_that_somebody_else_knows(opened: Open, key_of: Callable[..., str]) -> None:
    """Session fixation: a token that came with the browser is never the one that it leaves with."""
    client = opened(address="10.0.0.9")
    key = key_of("acme", "admin")
    client.cookies.set(COOKIE, "planted-by-somebody-else")
    first = signed_in(client, key)[1][COOKIE].value
    client.cookies.set(COOKIE, first)
    second = signed_in(client, key)[1][COOKIE].value
    assert len({first, second, "planted-by-somebody-else"}) == 3
    client.cookies.clear()
    for token in ("planted-by-somebody-else", first):
        assert client.get(KEYS, headers={"Cookie": f"{COOKIE}={token}"}).status_code == 401


def test_a_wrong_key_opens_no_session(opened: Open) -> None:
    answer = opened(address="10.0.0.9").post("/sign-in", data={"key": "rl_nobody"}, headers=OURS)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


# -- requests that another site has a browser send ----------------------------------------------------------------


FROM: list[tuple[dict[str, str], bool]] = [
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8300"}, False),
    ({"Origin": "http://127.0.0.1:8300"}, True),
    ({"Origin": "http://127.0.0.1:3000"}, False),
    ({"Origin": "https://127.0.0.1:8300"}, False),
    ({"Origin": "https://evil.example.com"}, False),
    ({"Origin": "null"}, False),
    ({}, False),
]


def test_a_change_by_cookie_comes_from_our_own_pages(
    opened: Open, key_of: Callable[..., str], services: Services
) -> None:
    """CSRF: signing in is such a change too, and a look is none. A key in a header needs no page."""
    client, key = opened(address="10.0.0.9"), key_of("acme", "admin")
    for headers, ours in FROM:
        signed_in(client, key)
        before = len(services.ledger.api_keys.list_all())
        answer = client.post(KEYS, json={"roles": ["search"]}, headers=headers)
        assert (headers, answer.status_code) == (headers, 201 if ours else 403)
        assert len(services.ledger.api_keys.list_all()) - before == ours
        assert client.get(KEYS, headers=headers).status_code == 200
        assert client.post("/sign-out", headers=headers).status_code == (303 if ours else 403)
        client.cookies.clear()
        assert client.post("/sign-in", data={"key": key}, headers=headers).status_code == (303 if ours else 403)
        client.cookies.clear()
        shown = {**headers, "Authorization": f"Bearer {key}"}
        assert client.post(KEYS, json={"roles": ["search"]}, headers=shown).status_code == 201


# -- the development login --------------------------------------------------------------------------------------


def looked(client: TestClient, **headers: str) -> httpx.Response:
    return client.get(KEYS, headers={**OURS, **headers})


def test_the_developers_browser_is_an_admin_without_a_key(opened: Open, services: Services) -> None:
    for name, address in (("http://127.0.0.1:8300", "127.0.0.1"), ("http://localhost:8300", "::1")):
        client = opened(name, address, default_organization="acme")
        assert client.post(KEYS, json={"roles": ["search"]}, headers=OURS).json()["organizationId"] == "acme"
        assert looked(client).status_code == 200
        assert (
            client.post(KEYS, json={"roles": ["search"]}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        )
    assert len(services.ledger.api_keys.list_all()) == 2


def test_no_setting_opens_the_development_login_elsewhere(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """D13. Whatever else is set: it asks ENVIRONMENT and nothing else, and no header or parameter speaks for it."""
    for name in ("DEVELOPMENT_LOGIN", "DEV_LOGIN", "DEBUG", "ROWLINE_DEV", "GATEWAY_DEVELOPMENT_LOGIN"):
        monkeypatch.setenv(name, "true")
    settings: list[dict[str, str]] = [{}, {"trusted_proxies": "127.0.0.1"}, {"default_organization": "acme"}]
    for environment in ("preview", "production"):
        for more in settings:
            client = opened(environment=environment, **more)
            assert looked(client).status_code == 401
            assert looked(client, Environment="development").status_code == 401
            assert client.get(f"{KEYS}?environment=development", headers=OURS).status_code in {401, 422}


def test_the_development_login_is_for_this_computer_under_its_own_name(opened: Open) -> None:
    for name, address in [
        ("http://127.0.0.1:8300", "192.168.1.7"),
        ("http://127.0.0.1:8300", "203.0.113.9"),
        ("http://192.168.1.7:8300", "127.0.0.1"),
        ("http://rebound.example.com:8300", "127.0.0.1"),  # its name points here (DNS rebinding)
        ("http://127.0.0.1.example.com", "127.0.0.1"),
    ]:
        assert (name, looked(opened(name, address)).status_code) == (name, 401)


def test_the_development_login_is_not_for_what_a_proxy_passes_on(opened: Open) -> None:
    """A tunnel or a proxy on this computer speaks for the world."""
    for client in (opened(), opened(trusted_proxies="127.0.0.1")):
        for header in FORWARDED:
            assert looked(client, **{header: "127.0.0.1"}).status_code == 401, header
        assert looked(client).status_code == 200


def test_the_development_login_is_for_browsers_and_yields_to_a_key(opened: Open, shown_by: MakeKey) -> None:
    """A script shows a key, as it will have to in production; a wrong key is wrong here too."""
    client = opened()
    assert client.get(KEYS).status_code == 401
    assert looked(client, Authorization="Bearer rl_nobody").status_code == 401
    assert looked(client, **shown_by("acme", "search")).status_code == 403
