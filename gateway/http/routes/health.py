"""Whether this process lives, and whether what it needs is there."""

from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, HTTPException, Query, Request, Response

from gateway.http.auth.callers import OurServices
from gateway.http.auth.operators import is_operator
from gateway.http.readiness import Readiness

router = APIRouter(tags=["operation"])
Part = Literal["database", "vectors", "objects", "daemon"]
Parts = Annotated[list[Part] | None, Query(description="Only these parts; may be given again.")]


@router.get("/health")
def health() -> dict[str, Any]:
    """This process answers. The shape is the one that apps of the event API know."""
    return {"status": 200, "message": "OK"}


@router.get("/health/live")
def live() -> dict[str, Any]:
    """This process answers; it asks nobody."""
    return {"status": 200, "message": "OK"}


@router.get("/health/ready", responses={503: {"description": "A part is down", "content": {"application/json": {}}}})
def ready(request: Request, response: Response, services: OurServices, part: Parts = None) -> dict[str, Any]:
    """Which parts are up and which are down; 503 where one is down. Reasons are for operators only."""
    state = request.app.state
    if not hasattr(state, "readiness"):
        state.readiness = Readiness(services)
    told = state.readiness.states(part or get_args(Part))
    knows = False
    with suppress(HTTPException):  # a probe with a wrong key is a stranger's
        knows = is_operator(request)
    up = all(one.up for one in told)
    response.status_code = HTTPStatus.OK if up else HTTPStatus.SERVICE_UNAVAILABLE
    return {
        "status": response.status_code,
        "parts": {one.part: {"up": one.up, **({"reason": one.reason} if knows and one.reason else {})} for one in told},
    }
