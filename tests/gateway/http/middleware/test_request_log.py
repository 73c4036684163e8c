"""What the gateway writes down: a line a request, its id in and out, and never a key."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.testclient import TestClient

from gateway.app import create_app
from gateway.server.logging import configure
from operations.services import Services

SECRET = "a-very-secret-value"
ITEMS = ("items.csv", b"item,colour\nanvil,grey\n")
EVENT_KEY = "event-key-of-the-team-0123456789abcdef"


@pytest.fixture
def logged(services: Services) -> Iterator[io.StringIO]:
    """What a gateway in production writes, in place of pytest's own handlers."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    settings = services.settings.model_copy(
        update={
            "environment": "production",
            "pinecone_api_key": SecretStr(SECRET),
            "openai_api_key": SecretStr('key with "quotes" and 한글'),
            "inngest_event_key": SecretStr(EVENT_KEY),
            "metrics_token": SecretStr(f"{SECRET}-and-the-rest-of-a-longer-one"),
            "database_url": SecretStr("postgresql://app:p%40ssword-of-db@db.example/rowline"),
        }
    )
    configure(settings, stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def app(services: Services) -> FastAPI:
    app = create_app(services)

    @app.get("/broken/{documentId}")
    def broken(documentId: str) -> None:
        raise ZeroDivisionError(f"{documentId} with {SECRET} broke")

    @app.get("/e-broken")
    def in_middle() -> None:
        raise KeyError("nobody thought of this")

    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as opened:  # an exception that left the app would be raised here
        yield opened


def lines(logged: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged.getvalue().splitlines()]


def requests(logged: io.StringIO) -> list[dict[str, Any]]:
    return [line for line in lines(logged) if line["message"] == "request"]


def test_a_request_has_one_line_that_says_who_and_what(client: TestClient, logged: io.StringIO, key_of) -> None:
    key = key_of("acme", "admin")
    client.get("/documents/doc_1", headers={"Authorization": f"Bearer {key}", "X-Request-Id": "from-the-app.1"})
    (line,) = requests(logged)
    assert line.pop("milliseconds") > 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "message": "request",
        "level": "info",
        "logger": "rowline.gateway.http",
        "requestId": "from-the-app.1",
        "method": "GET",
        "route": "/documents/{documentId}",
        "documentId": "doc_1",
        "organizationId": "acme",
        "keyId": key.split("_")[-2],
        "status": 404,
    }


@pytest.mark.parametrize(("address", "code"), [("/documents", 201), ("/documents", 200), ("/upload", 303)])
def test_the_line_of_an_upload_says_which_document_it_made(
    client: TestClient, logged: io.StringIO, key_of, address: str, code: int
) -> None:
    headers = {"Authorization": f"Bearer {key_of('acme', 'upload')}"}
    again = {"documentId": made(client, headers)} if code == 200 else {}
    answer = client.post(address, headers=headers, files={"file": ITEMS}, data=again, follow_redirects=False)
    assert answer.status_code == code
    place = answer.headers["Location"].rpartition("/")[2]
    assert requests(logged)[-1]["documentId"] == place


def made(client: TestClient, headers: dict[str, str]) -> str:
    output = client.post("/documents", headers=headers, files={"file": ITEMS}).json()
    return str(output["documents"][0]["documentId"])


@pytest.mark.parametrize("offered", ["", "two words", "x" * 129, "가", "a\tb"])
def test_an_id_that_does_not_fit_into_a_log_is_replaced(client: TestClient, logged: io.StringIO, offered: str) -> None:
    answer = client.get("/documents", headers={"X-Request-Id": offered.encode()})
    given = answer.headers["X-Request-Id"]
    assert given != offered
    assert len(given) == 32
    assert requests(logged)[0]["requestId"] == given


def test_what_nobody_thought_of_is_a_problem_with_an_id_and_the_traceback_only_in_the_log(
    client: TestClient, logged: io.StringIO
) -> None:
    answer = client.get("/broken/doc_7", headers={"X-Request-Id": "r-7"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert answer.headers["X-Request-Id"] == answer.json()["requestId"] == "r-7"
    assert "ZeroDivision" not in answer.text
    trouble, request = (line for line in lines(logged) if line["logger"] == "rowline.gateway.http")
    assert trouble["requestId"] == request["requestId"] == "r-7"
    assert "ZeroDivisionError: doc_7" in trouble["exception"]
    assert (request["status"], request["level"]) == (500, "error")
    assert SECRET not in logged.getvalue()


def test_sdks_get_errors_in_their_own_format(client: TestClient, logged: io.StringIO, services: Services) -> None:
    """The Python SDK judges by `error` alone, and breaks on anything that is not JSON."""
    services.ledger.api_keys.find = None  # type: ignore[method-assign, assignment]
    body = [{"name": "a/b"}]
    answer = client.post(f"/e/{EVENT_KEY}", json=body)
    assert answer.status_code == answer.json()["status"] >= 500
    assert answer.json()["error"]
    assert EVENT_KEY not in logged.getvalue()
    assert requests(logged)[0]["route"].startswith("/e/{")


@pytest.mark.parametrize(
    "said",
    [
        f"POST /e/{EVENT_KEY}?x=1 HTTP/1.1",
        "POST /e/some-other-key-that-is-wrong",
        '"GET /e/quoted-key-of-somebody" 200',
        f"the store said {SECRET} is no key",
        f"neither is {SECRET}-and-the-rest-of-a-longer-one",
        "Authorization: Bearer abcdef-0123456789",
        "signkey-prod-0123456789abcdef",
        "postgresql://app:p%40ssword-of-db@db.example/rowline is away",
        "password p@ssword-of-db is wrong",
        'a key with "quotes" and 한글 in it',
    ],
)
def test_no_key_is_ever_written_whoever_says_it(logged: io.StringIO, said: str) -> None:
    logging.getLogger("some.library").warning("it said: %s", said)
    try:
        raise ValueError(said)
    except ValueError:
        logging.getLogger("some.library").exception("again")
    for secret in (
        *(EVENT_KEY, SECRET, "some-other-key", "quoted-key", "abcdef-0123", "0123456789abcdef"),
        *("p%40ssword", "p@ssword", "quotes", "and-the-rest"),
    ):
        assert secret not in logged.getvalue()
    assert len(lines(logged)) == 2


def test_our_own_keys_are_known_by_their_shape(logged: io.StringIO, key_of) -> None:
    """Their id stays, so that one can tell which it was."""
    key = key_of("acme", "events")
    logging.getLogger("any").warning("%s in the wrong place", key)
    assert key not in logged.getvalue()
    assert key.split("_")[-2] in logged.getvalue()


def test_probes_do_not_fill_the_log(client: TestClient, logged: io.StringIO) -> None:
    client.get("/health")
    client.get("/health/live")
    assert requests(logged) == []


def test_in_development_a_person_can_read_it(services: Services, client: TestClient, key_of) -> None:
    """Status as a number, and no letter that a terminal acts on or that makes the log a binary file."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure(services.settings, stream)
    shown = {"Authorization": f"Bearer {key_of('acme', 'upload')}"}
    try:
        client.get("/documents", headers={"X-Request-Id": "readable"})
        client.get("/documents/a%00%1B[2Jb", headers=shown)
        client.get("/broken/c%00d")
        client.post("/e/some-key", content=b"{")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    written = stream.getvalue()
    assert "requestId=readable" in written
    assert not written.startswith("{")
    assert r"documentId=a\x00\x1b[2Jb" in written
    assert r"ZeroDivisionError: c\x00d" in written
    assert all(letter.isprintable() or letter in "\n\t" for letter in written)
    assert len(re.findall(r"status=\d{3}\b", written)) == 4, written
