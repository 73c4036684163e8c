"""Unknown query parameters are rejected: `?dry_run=true` instead of `?dryRun=true` would delete."""

from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute

from gateway.http.problems import wrong_field


def reject_unknown_parameters(request: Request) -> None:
    """A dependency: answers 422 if the route has no query parameter of that name."""
    names = request.query_params.keys()
    if not names:
        return
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    existing = query_parameters(request.app.openapi(), route.path_format, request.method)
    for name in names:
        if name not in existing:
            listed = ", ".join(sorted(existing)) or "none"
            raise wrong_field(name, f"this route has no such query parameter; there are: {listed}")


def query_parameters(description: dict[str, Any], path: str, method: str) -> set[str]:
    """Names of the query parameters of an operation; a HEAD has those of its GET."""
    operation = description["paths"][path]["get" if method == "HEAD" else method.lower()]
    parameters = operation.get("parameters", [])
    return {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
