"""The OpenAPI description: FastAPI's, with problem documents in place of FastAPI's validation errors."""

import threading
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.alias_generators import to_camel

from gateway.http.problems import Problem, WrongField, problem_responses

THEIRS = ("HTTPValidationError", "ValidationError")


def operation_id(route: APIRoute) -> str:
    """The route function's name, unique in the app: generated clients use it."""
    return to_camel(route.name)


def describe(app: FastAPI) -> None:
    """Serve the description with the problem documents that every route may answer with."""

    building = threading.Lock()  # first requests come together: pydantic's warning filters are global

    def described() -> dict[str, Any]:
        with building:
            if app.openapi_schema is None:
                app.openapi_schema = with_refusals(
                    get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
                )
            return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def with_refusals(schema: dict[str, Any]) -> dict[str, Any]:
    """Add the errors of all routes: no key, a wrong role, wrong fields, too many requests."""
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
    """None for routes without a key in the header: the event API declares errors of its own."""
    if not operation.get("security"):
        return {}
    statuses = [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE]
    if "application/json" in operation.get("requestBody", {}).get("content", {}):
        statuses.append(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return {str(int(status)): response for status, response in problem_responses(*statuses, 429).items()}


def _without_theirs(responses: dict[str, Any]) -> dict[str, Any]:
    """The responses, with a problem document in place of FastAPI's validation error."""
    ours = dict(responses)
    if "HTTPValidationError" in str(ours.get("422", "")):
        ours["422"] = problem_responses(422)[422]
    return ours
