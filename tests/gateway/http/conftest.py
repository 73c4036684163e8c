"""A client for the gateway over one test's own deployment, and keys for it."""

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from domain.access.api_keys import Role, mint_key
from domain.documents.employees import Employee
from gateway.app import create_app
from operations.services import Services

MakeKey = Callable[..., dict[str, str]]


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def key_of(services: Services) -> Callable[..., str]:
    """Makes a key: `key_of("acme", "upload")`, with `employee=` for one employee's."""

    def made(organization: str, *roles: Role, employee: str | None = None) -> str:
        new = mint_key(services.settings.environment)
        if employee and employee not in services.ledger.organizations.employee_namespaces(organization):
            services.ledger.organizations.put_employees(organization, [Employee(employee, "직원", None)])
        services.ledger.api_keys.put(new, organization, "test", frozenset(roles), employee)
        return new.text

    return made


@pytest.fixture
def shown_by(key_of: Callable[..., str]) -> MakeKey:
    """Headers that show a new key: `shown_by("acme", "upload")`."""
    return lambda *asked, **more: {"Authorization": f"Bearer {key_of(*asked, **more)}"}
