"""What a refusal says: a sentence of ours for each kind of mistake, not a library's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from starlette.testclient import TestClient

from domain.errors import ConfigurationError, ErrorCode
from domain.validation_messages import PATTERNS, WORDS
from gateway.http.problems import CODES
from operations.services import Services
from settings.settings import PROJECT_ROOT
from tests.gateway.http.conftest import MakeKey

Ask = Callable[..., Any]
LIBRARYS = ("Input should", "Field required", "parse", "String", "Extra inputs", "decode", "^")
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def ask(client: TestClient, shown_by: MakeKey) -> Ask:
    shown = shown_by("acme", "admin")
    return lambda method, address, headers=JSON, **more: client.request(
        method, address, headers={**shown, **headers}, **more
    )


MISTAKES = [
    ("GET", "/documents?limit=abc", "", "query.limit: is no whole number"),
    ("GET", "/documents?limit=0", "", "query.limit: is less than 1"),
    ("GET", "/documents?limit=500", "", "query.limit: is more than 200"),
    ("GET", "/documents/a%00b", "", "path.documentId: holds a NUL"),
    ("GET", "/search", "", "query.q: is missing"),
    ("GET", "/search?q=", "", "query.q: is empty"),
    ("POST", "/search", "{bad", "body: is no JSON, at letter 2"),
    ("POST", "/search", "[]", "body: is no JSON object"),
    ("POST", "/search", "", "body: is missing"),
    ("POST", "/search", '{"q": 1, "color": "red"}', "body.q: is no text; body.color: is not known here; leave it away"),
    ("POST", "/search", '{"q": "a", "k": "1"}', "body.k: is no whole number"),
    ("POST", "/keys", '{"roles": []}', "body.roles: is empty"),
    ("POST", "/keys", '{"roles": "all"}', "body.roles: is no list"),
    (
        *("POST", "/keys", '{"roles": ["king"]}'),
        "body.roles.0: is none of 'events', 'upload', 'search' or 'admin'",
    ),
    ("POST", "/keys", '{"roles": ["search"], "label": "a\\nb"}', "body.label: holds a control letter, such as"),
    ("POST", "/keys/x/rotate", '{"graceHours": "long"}', "body.graceHours: is no number"),
    ("POST", "/notifications/x/retry", "", "path.notificationId: is no id of a message"),
    ("POST", "/notices/x/retry", "", "path.noticeId: is no id of a message"),
]


@pytest.mark.parametrize(("method", "address", "body", "reason"), MISTAKES)
def test_a_mistake_is_reported_in_a_sentence(ask: Ask, method: str, address: str, body: str, reason: str) -> None:
    output = ask(method, address, content=body.encode()).json()
    assert (output["status"], output["detail"].startswith(f"The request is wrong: {reason}")) == (422, True), output
    assert not any(word in output["detail"] for word in LIBRARYS)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_of_another_type_is_reported_which_to_send(ask: Ask, kind: str) -> None:
    answer = ask("POST", "/search", headers={"Content-Type": kind}, content=b'{"q": "a"}')
    assert (answer.status_code, answer.json()["detail"]) == (
        415,
        "Send the body as JSON, with Content-Type: application/json",
    )
    answer = ask("POST", "/search", headers={"Content-Type": "application/problem+json"}, content=b'{"q": "a"}')
    assert answer.status_code == 200


def test_an_address_that_is_not_there_is_named(ask: Ask) -> None:
    assert ask("GET", "/nosuch/한글").json()["detail"] == "There is nothing at this address"
    assert len(ask("GET", "/" + "x" * 5000).json()["detail"]) < 250


def test_the_rest_api_of_events_tells_it_in_the_same_words(ask: Ask) -> None:
    output = ask("GET", "/v1/events?limit=abc&received_after=today").json()
    assert output["error"] == "limit: is no whole number; received_after: is no time, as 2026-11-21T09:00:00Z is"


def test_every_limit_that_the_description_names_has_words(client: TestClient) -> None:
    """A field with a new pattern would be refused with the pattern itself."""
    for schema in found(client.app.openapi()):
        assert schema.get("pattern", next(iter(PATTERNS))) in PATTERNS, schema
    assert all(words[0].islower() and not words.endswith(".") for words in WORDS.values())


def found(node: Any) -> Iterator[dict[str, Any]]:
    """Every object of a description, however deep."""
    if isinstance(node, dict):
        yield node
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from found(value)


@pytest.mark.parametrize(
    ("method", "address", "code"),
    [
        ("GET", "/documents?limit=abc", "invalid-request"),
        ("GET", "/documents/doc_0", "not-found"),
        ("GET", "/nosuch", "unknown-address"),
        ("PATCH", "/documents", "method-not-allowed"),
        ("GET", "/documents?" + "x" * 20_000, "address-too-long"),
    ],
)
def test_a_problem_document_has_a_code_whose_page_can_be_opened(
    client: TestClient, ask: Ask, method: str, address: str, code: str
) -> None:
    """`type` is an address of this gateway (RFC 9457), which anybody can open without a key."""
    problem = ask(method, address).json()
    assert (problem["code"], problem["type"]) == (code, f"/docs/errors#{code}")
    page = client.get(problem["type"].partition("#")[0])
    assert (page.status_code, f'id="{code}"' in page.text) == (200, True)


def test_a_wrong_key_and_a_wrong_signature_have_codes_of_their_own(client: TestClient) -> None:
    unknown = client.get("/documents", headers={"Authorization": "Bearer rl_nobody"}).json()
    forged = client.get("/v1/events", headers={"x-inngest-signature": "t=1&s=0"})
    assert unknown["code"] == "unauthorized"
    assert forged.status_code == 401


def test_every_refusal_of_the_http_layer_has_a_code() -> None:
    """A status without one would be reported as an invalid request."""
    raised = {
        int(HTTPStatus[name])
        for path in (PROJECT_ROOT / "gateway").rglob("*.py")
        for name in re.findall(r"(?:HTTPException|problem)\(\s*HTTPStatus\.(\w+)", path.read_text("utf-8"))
    }
    assert raised - set(map(int, CODES)) == set()


@pytest.mark.parametrize("known", [False, True])
def test_only_a_known_caller_learns_what_is_wrong_with_the_deployment(
    client: TestClient, shown_by: MakeKey, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """To a stranger every server fault looks alike, in its sentence and in its code."""
    headers = shown_by("acme", "search")
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    fault = ConfigurationError("EMBEDDING_MODEL names no model", code=ErrorCode.EMBEDDING_QUOTA_EXHAUSTED)
    broken = "namespaces" if known else "find"
    owner = type(services.ledger.organizations if known else services.ledger.api_keys)
    monkeypatch.setattr(owner, broken, lambda *_: (_ for _ in ()).throw(fault))
    answer = client.get("/search?q=anvil", headers=headers).json()
    assert answer["status"] == 500
    assert ("EMBEDDING_MODEL" in answer["detail"]) is known
    assert (answer["code"] == ErrorCode.EMBEDDING_QUOTA_EXHAUSTED) is known
    assert answer["type"].endswith(answer["code"])
