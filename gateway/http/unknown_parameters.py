"""Query parameters that a route has no word for are refused: `?dry_run=true` for `?dryRun=true` would delete."""

from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute

from gateway.http.problems import wrong_field


def only_known(request: Request) -> None:
    """A dependency: answers 422 where the description of the API does not have a parameter of that name."""
    asked = request.query_params.keys()
    if not asked:
        return
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = parameters_of(request.app.openapi(), route.path_format, request.method)
    for name in asked:
        if name not in known:
            there_are = ", ".join(sorted(known)) or "none"
            raise wrong_field(name, f"this route has no such query parameter; there are: {there_are}")


def parameters_of(description: dict[str, Any], path: str, method: str) -> set[str]:
    """Names of the query parameters of an operation; a HEAD has those of its GET."""
    operation = description["paths"][path]["get" if method == "HEAD" else method.lower()]
    return {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
