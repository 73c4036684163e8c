"""The REST API that apps poll after sending: events, what each started, and how that went.

Its shapes are the event engine's, refusals too: `{"error": …, "data": null, "status": …}`.
"""

import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from domain.access.api_keys import Caller
from domain.errors import Conflict, NotFound, RowlineError
from domain.events.ids import is_ulid
from domain.validation_messages import reason_of_field
from gateway.http.auth.callers import OurServices
from gateway.http.auth.signatures import machine
from gateway.http.problems import reason_of, status_of
from gateway.schemas.events import ULID, Event, Events, OneEvent, OneRun, Run, Runs, envelope, run_status
from operations.services import Services
from resources.ledger.events.events import EventRun, KeptEvent

MOST = 100


class Refusal(BaseModel):
    """Why not, in one sentence."""

    error: str = Field(examples=[f"There is no run {ULID}"])
    data: None
    status: int = Field(examples=[404])


class AsciiJSONResponse(JSONResponse):
    """JSON in ASCII: an event may hold half of a surrogate pair, which UTF-8 has no bytes for."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode()


class EventApiRoute(APIRoute):
    """A route whose refusals are the event engine's."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer_of = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await answer_of(request)
            except HTTPException as error:
                return refused(error.status_code, str(error.detail), error.headers)
            except RequestValidationError as error:
                told = "; ".join(f"{wrong['loc'][-1]}: {reason_of_field(wrong)}" for wrong in error.errors())
                return refused(HTTPStatus.BAD_REQUEST, told)
            except RowlineError as failure:
                return refused(status_of(failure), reason_of(request, failure))

        return handler


def refused(status: int, reason: str, headers: Any = None) -> JSONResponse:
    return JSONResponse({"error": reason, "data": None, "status": int(status)}, status, headers)


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": HTTPStatus(status).phrase} for status in (400, 401, 403, 404, 429, 503)
}
EventId = Annotated[str, Path(alias="eventId", examples=[ULID])]
RunId = Annotated[str, Path(alias="runId", examples=[ULID])]
Machine = Annotated[Caller, Depends(machine("events"))]
router = APIRouter(prefix="/v1", tags=["events"], route_class=EventApiRoute, responses=REFUSALS)


@router.get("/events", response_model=Events, summary="Events, newest first")
def list_events(
    caller: Machine,
    services: OurServices,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
    name: Annotated[str | None, Query(description="Only events of this name.")] = None,
    received_after: Annotated[datetime | None, Query(description="A time with its zone.")] = None,
    received_before: Annotated[datetime | None, Query(description="A time with its zone.")] = None,
    cursor: Annotated[str | None, Query(description="The last `internal_id` of the page before.")] = None,
) -> AsciiJSONResponse:
    if cursor is not None and not is_ulid(cursor):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "cursor: must be the internal_id of an event")
    times = [at and (at if at.tzinfo else at.replace(tzinfo=UTC)) for at in (received_after, received_before)]
    after, before = times
    events = services.ledger.events.listed(caller.organization_id, limit, name, after, before, cursor)
    return AsciiJSONResponse(envelope([Event.from_event(event) for event in events], now()))


@router.get("/events/{eventId}", response_model=OneEvent, summary="One event")
def get_event(caller: Machine, services: OurServices, event_id: EventId) -> AsciiJSONResponse:
    return AsciiJSONResponse(envelope(Event.from_event(event_of(services, caller, event_id)), now()))


@router.get("/events/{eventId}/runs", response_model=Runs, summary="What an event started, and how that went")
def list_runs_of_event(caller: Machine, services: OurServices, event_id: EventId) -> AsciiJSONResponse:
    event = event_of(services, caller, event_id)
    runs = services.ledger.events.runs(caller.organization_id, event.event_id)
    return AsciiJSONResponse(envelope([Run.from_run(run) for run in runs], now()))


@router.get("/runs/{runId}", response_model=OneRun, summary="One run")
def get_run(caller: Machine, services: OurServices, run_id: RunId) -> AsciiJSONResponse:
    return AsciiJSONResponse(envelope(Run.from_run(run_of(services, caller, run_id)), now()))


@router.delete(
    "/runs/{runId}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Cancel a run that waits or is under way",
    responses={409: {"model": Refusal, "description": "It has ended"}},
)
def cancel_run(caller: Machine, services: OurServices, run_id: RunId) -> None:
    """Cancelling twice is cancelling once."""
    status = run_status(run_of(services, caller, run_id))
    if status == "Cancelled":
        return
    if status in ("Completed", "Failed") or not services.ledger.events.cancel(caller.organization_id, run_id):
        raise Conflict(f"Run {run_id} has ended; there is nothing to cancel")


def event_of(services: Services, caller: Caller, event_id: str) -> KeptEvent:
    """Raises Misuse for what is no id, NotFound for an event that is not there or another organization's."""
    if not is_ulid(event_id):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "Invalid event ID; it is a ULID of 26 letters and digits")
    event = services.ledger.events.event(caller.organization_id, event_id)
    if event is None:
        raise NotFound(f"There is no event {event_id}")
    return event


def run_of(services: Services, caller: Caller, run_id: str) -> EventRun:
    """Raises Misuse for what is no id, NotFound for a run that is not there or another organization's."""
    if not is_ulid(run_id):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "Invalid run ID; it is a ULID of 26 letters and digits")
    run = services.ledger.events.run(caller.organization_id, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}")
    return run


def now() -> datetime:
    return datetime.now(UTC)
