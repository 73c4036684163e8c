"""Liveness of this process, and readiness of the services that it needs."""

from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, HTTPException, Query, Request, Response

from gateway.http.auth.callers import OurServices
from gateway.http.auth.operators import is_operator
from gateway.http.readiness import Readiness, State

router = APIRouter(tags=["operation"])
Part = Literal["database", "vectors", "objects", "daemon"]
Parts = Annotated[list[Part] | None, Query(description="Only these parts; may be given again.")]


@router.get("/health")
def health() -> dict[str, Any]:
    """This process answers. The shape is the one that apps of the event API know."""
    return {"status": 200, "message": "OK"}


@router.get("/health/live")
def live() -> dict[str, Any]:
    """This process answers; it calls no service."""
    return {"status": 200, "message": "OK"}


@router.get("/health/ready", responses={503: {"description": "A part is down", "content": {"application/json": {}}}})
def ready(request: Request, response: Response, services: OurServices, part: Parts = None) -> dict[str, Any]:
    """Which parts are up and which are down; 503 if one is down. Reasons are for operators only."""
    state = request.app.state
    if not hasattr(state, "readiness"):
        state.readiness = Readiness(services)
    states = state.readiness.states(part or get_args(Part))
    shows_reasons = False
    with suppress(HTTPException):  # a probe with a wrong key sees no reasons
        shows_reasons = is_operator(request)
    up = all(each.up for each in states)
    response.status_code = HTTPStatus.OK if up else HTTPStatus.SERVICE_UNAVAILABLE
    return {
        "status": response.status_code,
        "parts": {each.part: part_json(each, shows_reasons) for each in states},
    }


def part_json(state: State, shows_reason: bool) -> dict[str, Any]:
    return {"up": state.up, **({"reason": state.reason} if shows_reason and state.reason else {})}
