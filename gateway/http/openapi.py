"""The description of the HTTP API: what FastAPI knows from the types, and our own refusals in place of its."""

import threading
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.alias_generators import to_camel

from gateway.http.problems import Problem, WrongField, told_as

THEIRS = ("HTTPValidationError", "ValidationError")


def operation_id(route: APIRoute) -> str:
    """Functions are named once in the whole app: clients are made from these names."""
    return to_camel(route.name)


def describe(app: FastAPI) -> None:
    """Serve the description with our refusals: every route may answer them, and none says so itself."""

    making = threading.Lock()  # the first requests come together: once is enough, and pydantic's filters are global

    def described() -> dict[str, Any]:
        with making:
            if app.openapi_schema is None:
                app.openapi_schema = finished(
                    get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
                )
            return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def finished(schema: dict[str, Any]) -> dict[str, Any]:
    """With problem documents for what any route may refuse: no key, a wrong role, wrong fields, too much at once."""
    for operations in schema.get("paths", {}).values():
        for operation in operations.values():
            refusals = _refusals(operation)
            operation["responses"] = dict(sorted(({**refusals, **_without_theirs(operation["responses"])}).items()))
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in THEIRS:
        schemas.pop(name, None)
    template = "#/components/schemas/{model}"
    schemas["Problem"] = Problem.model_json_schema(ref_template=template)
    schemas["Problem"].pop("$defs", None)
    schemas["WrongField"] = WrongField.model_json_schema(ref_template=template)
    return schema


def _refusals(operation: dict[str, Any]) -> dict[str, Any]:
    """None for a route that says itself how it refuses what is wrong: the event API has other shapes."""
    if not operation.get("security"):
        return {}
    statuses = [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE]
    if "application/json" in operation.get("requestBody", {}).get("content", {}):
        statuses.append(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return {str(int(status)): told for status, told in told_as(*statuses, 429).items()}


def _without_theirs(responses: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's own answer to wrong fields, which `problems` replaces."""
    ours = dict(responses)
    if "HTTPValidationError" in str(ours.get("422", "")):
        ours["422"] = told_as(422)[422]
    return ours
