"""The description of the API is true: whatever is sent, answers are as it says, and no route fails.

Routes come from the description itself, so one that is added is tested as soon as it is there.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from starlette.testclient import TestClient

from gateway.app import create_app
from operations.services import Services
from settings.settings import Settings
from tests.gateway.http.acting import indexed
from tests.gateway.http.conftest import MakeKey
from tests.laws.deployment import Deployment, items

METHODS = ("get", "put", "post", "patch", "delete")
PLACES = 15  # requests of one operation
DESCRIPTION = create_app(Services(Settings(_env_file=None))).openapi()
OPERATIONS = [
    (method, path) for path, operations in DESCRIPTION["paths"].items() for method in operations if method in METHODS
]


def described(method: str, path: str) -> dict[str, Any]:
    operation: dict[str, Any] = DESCRIPTION["paths"][path][method]
    return operation


def test_every_operation_is_described_for_people_and_for_clients() -> None:
    ids = [described(*operation)["operationId"] for operation in OPERATIONS]
    assert len(ids) == len(set(ids))
    for method, path in OPERATIONS:
        operation = described(method, path)
        assert operation["summary"][0].isupper(), path
        assert operation["tags"], path
        assert "HTTPValidationError" not in str(operation), path
        if operation.get("security"):
            assert {"401", "403", "429", "503"} <= set(operation["responses"]), path
    assert DESCRIPTION["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert set(DESCRIPTION["components"]["schemas"]["Problem"]["properties"]) >= {"type", "title", "status", "detail"}


def test_the_description_is_served_in_a_stable_order(client: TestClient, services: Services) -> None:
    served = client.get("/openapi.json")
    assert served.status_code == 200
    assert served.text == TestClient(create_app(services)).get("/openapi.json").text


def test_no_number_of_a_requirement_leaves_the_house(client: TestClient, shown_by: MakeKey) -> None:
    """`(B3)` says something to who built it only."""
    shown = client.get("/functions", headers=shown_by("acme", "events")).text
    assert re.findall(r"\([A-Z]\d+\)", client.get("/openapi.json").text + shown) == []


def test_every_path_names_its_methods(client: TestClient) -> None:
    """HEAD is GET without a body, OPTIONS is answered, anything else is refused with what there is."""
    for path in {path for _, path in OPERATIONS}:
        address = path.replace("{", "").replace("}", "")
        there = {method.upper() for method, other in OPERATIONS if other == path}
        refused = client.request("TRACE", address)
        asked = client.options(address)
        assert (refused.status_code, asked.status_code) == (405, 204), path
        if not path.startswith("/e/"):  # open to pages of every origin: it is a preflight's answer
            assert refused.headers["Allow"] == asked.headers["Allow"], path
        assert set(refused.headers["Allow"].split(", ")) >= there, path
        if "GET" in there:
            head, get = client.head(address), client.get(address)
            assert (head.status_code, head.content) == (get.status_code, b""), path
            assert head.headers["Content-Type"] == get.headers["Content-Type"], path


@pytest.fixture
def known(rowline: Deployment, services: Services, client: TestClient, shown_by: MakeKey) -> Callable[[str], Any]:
    """Answers that exist, by the name of the parameter: else almost everything asked for would be a 404."""
    version = indexed(rowline, items("anvil", "bellows"))
    hit = rowline.find("anvil", k=1)[0]
    values = {"documentId": version.document_id, "vectorId": hit.match.vector_id, "number": 1}
    return values.get


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS])
def test_every_answer_is_one_that_is_described(
    method: str, path: str, known: Callable[[str], Any], client: TestClient, key_of: Callable[..., str]
) -> None:
    """Generated requests, half of them about things that exist. No 5xx, no answer of another shape."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own
        import schemathesis
        from schemathesis.checks import not_a_server_error
        from schemathesis.python import asgi
        from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

        # What a cursor or a file holds, and which names there are, no schema says. Keys are tested route by route.
        elsewhere = [positive_data_acceptance, ignored_auth]
        if path == "/health/ready":
            elsewhere.append(not_a_server_error)  # no daemon runs here, and to say so with 503 is its purpose
        schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    operation = schema[path][method.upper()]
    key = key_of("acme", "admin")

    @given(case=operation.as_strategy())
    @settings(
        max_examples=PLACES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def holds(case: Any) -> None:
        parameters = case.path_parameters or {}
        for name in parameters:
            if (value := known(name)) is not None and len(str(parameters[name])) % 2:
                parameters[name] = value
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {key}"}
        case.validate_response(case.call(session=session), excluded_checks=elsewhere)

    with asgi.get_client(client.app) as session:
        holds()
