"""Nobody reaches another organization's anything: every route × every way of not being allowed, and nothing changes.

Rows of routes are in routes.py; a route without one fails here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from domain.access.api_keys import ROLES, Environment, Role, mint_key
from domain.notifications.messages import NewNotification
from gateway.app import create_app
from operations.events.intake import ingest_events
from operations.services import Services
from resources.ledger.access.api_keys import Key
from settings.settings import Settings
from tests.conftest import drop_database
from tests.gateway.http.all_routes import ROUTES, Route
from tests.laws.deployment import Deployment
from tests.laws.doubles import WordEmbedder

SECRET = "treasure-of-acme"  # stands in whatever belongs to acme
FILE = f"{SECRET}.csv"
TABLE = [["item", "colour"], [SECRET, "gold"], ["REFUSED", "by the embedder"]]


@dataclass(frozen=True)
class World:
    """Two organizations: acme has one of everything, globex has keys only."""

    services: Services
    client: TestClient
    things: dict[str, str]
    keys: dict[str, str]

    def ask(self, route: Route, key: str | None) -> httpx.Response:
        names = {"event_key": key or "nobodys-event-key", **self.things}
        path = re.sub(r"{(\w+)(?::\w+)?}", lambda found: names[found[1]], route.path)
        headers = {"Accept": "text/html" if route.page else "application/json", "Sec-Fetch-Site": "same-origin"}
        if key is not None and not route.key_in_path:
            headers["Authorization"] = f"Bearer {key}"
        asked = route.asks(self.things)
        return self.client.request(route.method, path, headers=headers, follow_redirects=False, **asked)

    def rows(self) -> set[str]:
        """Everything that is kept: each row of each table, and each object. Not when a key was used last."""
        with self.services.database.transaction() as connection:
            tables = connection.execute(
                "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'"
            ).fetchall()
            kept = {
                f"{table['name']} {json.dumps(row['row'], sort_keys=True)}"
                for table in tables
                for row in connection.execute(
                    f"SELECT to_jsonb(t) - 'last_used_at' AS row FROM \"{table['name']}\" t"
                ).fetchall()
            }
        return kept | {str(path) for path in self.services.settings.objects_folder.rglob("*")}


def made_world(url: str, folder: Path) -> Iterator[World]:
    settings = Settings(
        _env_file=None,
        environment="preview",  # no development login
        database_url=url,
        rowline_home=folder / "home",
        failed_logins_per_minute=10**9,
        default_organization="acme",
    )
    services = Services(settings)
    services.__dict__["embedder"] = WordEmbedder()
    try:
        with TestClient(create_app(services), raise_server_exceptions=False) as client:
            yield World(services, client, things_of_acme(services), keys_of_all(services))
    finally:
        services.close()


def things_of_acme(services: Services) -> dict[str, str]:
    deployment = Deployment(services, None)  # type: ignore[arg-type] - its steps run without Dagster
    document = deployment.upload(TABLE, filename=FILE).document_id
    deployment.quick(document)
    deployment.upload([*TABLE, [f"{SECRET} 2", "silver"]], document, filename=FILE)
    deployment.quick(document)
    deployment.employees("E1")
    [vector] = deployment.sql("SELECT vector_id::text FROM lineage WHERE position('gold' in content) > 0 LIMIT 1")
    [event] = ingest_events(services.ledger, "acme", json.dumps({"name": "app/x", "data": {"x": SECRET}}).encode())
    [started] = ingest_events(
        services.ledger, "acme", json.dumps({"name": "document/process", "data": {"documentId": document}}).encode()
    )
    [run] = services.ledger.events.runs("acme", started)
    key = services.ledger.api_keys.put(mint_key("preview"), "acme", SECRET, frozenset({"search"}))
    notification = NewNotification("acme", "k", "slack", None, SECRET, SECRET)
    notification_id = services.ledger.outbox.enqueue(notification)
    return {
        "documentId": document,
        "number": "1",
        "vectorId": vector["vector_id"],
        "eventId": event,
        "runId": run.run_id,
        "keyId": key.key_id,
        "notificationId": notification_id,
        "noticeId": notification_id,
    }


def keys_of_all(services: Services) -> dict[str, str]:
    """Keys by who shows them: good ones of both organizations, and each kind of one that opens nothing."""
    keys = services.ledger.api_keys
    texts: dict[str, str] = {}

    def made(who: str, organization: str, *roles: Role, environment: Environment = "preview", **more: object) -> Key:
        new = mint_key(environment)
        texts[who] = new.text
        return keys.put(new, organization, who, frozenset(roles), **more)  # type: ignore[arg-type]

    for organization in ("acme", "globex"):
        for role in ROLES:
            made(f"{organization} {role}", organization, role)
    made("employee", "acme", "search", employee_id="E1")
    keys.revoke(made("revoked", "acme", *ROLES).key_id)
    made("expired", "acme", *ROLES, lasts=timedelta(seconds=-1))
    made("of production", "acme", *ROLES, environment="production")
    texts["unknown"] = mint_key("preview").text
    return texts


@pytest.fixture(scope="module")
def shared_world(
    copy_database: Callable[[str], str], server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """One for all tests that must not change anything, and look whether they have."""
    url = copy_database("migrated")
    yield from made_world(url, tmp_path_factory.mktemp("tenants"))
    drop_database(server_url, url)


@pytest.fixture
def own_world(copy_database: Callable[[str], str], server_url: str, tmp_path: Path) -> Iterator[World]:
    url = copy_database("migrated")
    yield from made_world(url, tmp_path)
    drop_database(server_url, url)


def refusals(route: Route) -> Iterator[tuple[str, str | None, int]]:
    """Who is refused, with which key, and how."""
    yield "nobody", None, route.stranger
    for key in ("unknown", "revoked", "expired", "of production"):
        yield key, key, route.stranger
    for role in ROLES:
        if role not in (route.role, "admin"):
            yield f"only {role}", f"acme {role}", route.forbidden
    if route.role != "search":
        yield "employee", "employee", route.as_employee or route.forbidden
    elif route.as_employee is not None:
        yield "employee", "employee", route.as_employee
    if route.theirs:
        for role in {route.role, "admin"} - {None}:
            yield f"{role} of globex", f"globex {role}", route.elsewhere


def test_every_route_has_a_row(shared_world: World) -> None:
    app = shared_world.client.app
    there = {
        (method, route.path, (getattr(route.endpoint, "__module__", "")).startswith("gateway.pages"))
        for route in iter_route_contexts(app.routes)  # type: ignore[attr-defined]
        for method in (route.methods or set()) - {"HEAD", "OPTIONS"}
    }
    rows = {(route.method, route.path, route.page) for route in ROUTES}
    assert there - rows == set(), "add a row for each to tests/gateway/http/all_routes.py"
    assert rows - there == set(), "these rows are of no route"


@pytest.mark.parametrize("route", [route for route in ROUTES if route.role], ids=lambda route: route.name)
def test_who_may_not_is_refused_and_changes_nothing(shared_world: World, route: Route) -> None:
    """No key; one unknown, revoked, expired or of another environment; each other role; another organization."""
    before = shared_world.rows()
    for who, key, status in refusals(route):
        answer = shared_world.ask(route, shared_world.keys[key] if key else None)
        assert (who, answer.status_code) == (who, status), answer.text
        assert SECRET not in answer.text, who
        assert shared_world.rows() == before, who


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.role and not route.theirs], ids=lambda route: route.name
)
def test_what_is_ones_own_holds_nothing_of_others(shared_world: World, route: Route) -> None:
    """Lists, searches and uploads of globex: acme's is not in them, and stays as it is."""
    before = shared_world.rows()
    for role in {route.role, "admin"}:
        answer = shared_world.ask(route, shared_world.keys[f"globex {role}"])
        assert answer.status_code == route.good, answer.text
        assert SECRET not in answer.text
        assert shared_world.things["documentId"] not in answer.text
    assert before <= shared_world.rows()


ADDED_TO = ("/health", "/metrics", "/openapi", "/e/", "/v1/", "/functions")  # by probes and SDKs, with what they like


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if not route.page and not route.path.startswith(ADDED_TO)],
    ids=lambda route: route.name,
)
def test_a_query_parameter_that_a_route_has_no_word_for_is_refused(shared_world: World, route: Route) -> None:
    """What it was to narrow or to hold back would be done to all."""
    before = shared_world.rows()
    misspelt = replace(route, asks=lambda things: _with_parameter(route.asks(things), "dry_run"))
    answer = shared_world.ask(misspelt, shared_world.keys[f"acme {route.role}"])
    assert (answer.status_code, "dry_run" in answer.text) == (422, True), answer.text
    assert shared_world.rows() == before


def _with_parameter(asked: dict[str, Any], name: str) -> dict[str, Any]:
    return asked | {"params": {**asked.get("params", {}), name: "true"}}


def test_who_may_does(own_world: World) -> None:
    """The refusals above are not those of a wrong request: the same one, with the right key, is done."""
    last = ("rollback", "rotate", "DELETE", "delete")
    for route in sorted(ROUTES, key=lambda route: (route.method != "GET", any(word in route.name for word in last))):
        answer = own_world.ask(route, own_world.keys[f"acme {route.role}"] if route.role else None)
        assert (route.name, answer.status_code) == (route.name, route.good), answer.text


def test_the_watch_sees_a_change(own_world: World) -> None:
    """A proof that cannot fail is none."""
    before = own_world.rows()
    own_world.ask(
        Route("POST", "/keys", "admin", lambda _: {"json": {"roles": ["search"]}}), own_world.keys["acme admin"]
    )
    assert len(own_world.rows() - before) == 1
