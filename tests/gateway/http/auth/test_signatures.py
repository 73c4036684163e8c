"""Machine-to-machine requests: signed or with the signing key, accepted once, and refused with the reason."""

import time
from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import Depends
from inngest._internal import net, transforms
from starlette.testclient import TestClient

from domain.access.api_keys import Caller
from domain.access.signatures import HEADER, request_without_body, signed
from gateway.app import create_app
from gateway.http.auth.signatures import machine
from operations.services import Services
from settings.settings import Settings
from tests.gateway.http.conftest import MakeKey

KEY = "signkey-test-" + "0123456789abcdef" * 4
OLD = "signkey-test-" + "fedcba9876543210" * 4
BODY = b'{"b": 1, "a": [2.0]}'


@pytest.fixture
def with_key(services: Services) -> Iterator[TestClient]:
    more = {"inngest_signing_key": KEY, "inngest_signing_key_fallback": OLD, "default_organization": "acme"}
    keyed = Services(Settings(**{**services.settings.model_dump(), **more}))
    keyed.__dict__["database"] = services.database
    app = create_app(keyed)

    @app.api_route("/machines", methods=["GET", "POST", "DELETE"])
    def machines(caller: Annotated[Caller, Depends(machine("events"))]) -> dict[str, object]:
        return {"organizationId": caller.organization_id, "roles": sorted(caller.roles)}

    with TestClient(app) as client:
        yield client


def test_a_signed_request_needs_no_key(with_key: TestClient) -> None:
    for key in (KEY, OLD):
        header = net.sign_request(BODY, key)
        assert isinstance(header, str)
        answer = with_key.post("/machines", content=BODY, headers={HEADER: header})
        assert (answer.status_code, answer.json()) == (200, {"organizationId": "acme", "roles": ["events"]})


def test_the_signing_key_is_a_bearer_too(with_key: TestClient, shown_by: MakeKey) -> None:
    for shown in (KEY, transforms.hash_signing_key(KEY)):
        assert (
            with_key.get("/machines", headers={"Authorization": f"Bearer {shown}"}).json()["organizationId"] == "acme"
        )
    assert with_key.get("/machines", headers=shown_by("globex", "events")).json()["organizationId"] == "globex"
    assert with_key.get("/machines", headers=shown_by("globex", "search")).status_code == 403
    for headers in ({}, {"Authorization": f"Bearer {KEY[:-1]}"}, {"Authorization": "Bearer "}):
        assert with_key.get("/machines", headers=headers).status_code == 401


def test_a_copy_of_a_request_that_changes_something_is_refused(with_key: TestClient) -> None:
    """Also where it is sent again with other spaces, at another address, or to another process."""
    headers = {HEADER: signed(BODY, KEY, time.time())}
    assert with_key.post("/machines", content=BODY, headers=headers).status_code == 200
    for body in (BODY, b'{"a":[2],"b":1}'):
        answer = with_key.post("/machines?again=1", content=body, headers=headers)
        assert (answer.status_code, "was used before" in answer.json()["detail"]) == (401, True)


def test_without_a_body_what_is_asked_is_signed(with_key: TestClient) -> None:
    """A look may be repeated; a change may not, and a signature of one opens nothing else."""
    look = {HEADER: signed(request_without_body("GET", "/machines?limit=1"), KEY, time.time())}
    for _ in range(2):
        assert with_key.get("/machines?limit=1", headers=look).status_code == 200
    assert with_key.get("/machines?limit=2", headers=look).status_code == 401
    assert with_key.delete("/machines?limit=1", headers=look).status_code == 401
    ours = {HEADER: signed(BODY, KEY, time.time())}  # as on a webhook that we have sent somebody
    for method in ("GET", "DELETE"):
        assert with_key.request(method, "/machines", content=BODY, headers=ours).status_code == 401
    change = {HEADER: signed(request_without_body("DELETE", "/machines"), KEY, time.time())}
    assert [with_key.delete("/machines", headers=change).status_code for _ in range(2)] == [200, 401]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("t=1&s=2", "must be t=<unix seconds>"),
        (signed(BODY, "signkey-test-" + "ab" * 32, 1e9), "does not fit"),
        (signed(BODY, KEY, 1e9), "s old, and 300 s are allowed"),
    ],
)
def test_what_is_wrong_with_a_signature_is_reported(with_key: TestClient, header: str, said: str) -> None:
    answer = with_key.post("/machines", content=BODY, headers={HEADER: header})
    assert answer.status_code == 401
    assert said in answer.json()["detail"]


def test_without_a_signing_key_no_signature_is_believed(services: Services) -> None:
    app = create_app(services)

    @app.get("/machines")
    def machines(caller: Annotated[Caller, Depends(machine("events"))]) -> None: ...

    with TestClient(app) as client:
        answer = client.get("/machines", headers={HEADER: signed(b"GET /machines", "", time.time())})
    assert (answer.status_code, answer.json()["detail"]) == (
        401,
        "No signature can be checked here: INNGEST_SIGNING_KEY is not set",
    )
