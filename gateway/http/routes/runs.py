"""The REST API that apps poll after sending: events, their runs, and the status of these.

Its format is the event engine's, errors too: `{"error": …, "data": null, "status": …}`.
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

MAX_PAGE = 100


class RunError(BaseModel):
    """An error, in one sentence."""

    error: str = Field(examples=[f"There is no run {ULID}"])
    data: None
    status: int = Field(examples=[404])


class AsciiJSONResponse(JSONResponse):
    """JSON in ASCII: an event may hold half of a surrogate pair, which UTF-8 has no bytes for."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode()


class EventApiRoute(APIRoute):
    """A route whose errors have the event engine's format."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await handle(request)
            except HTTPException as error:
                return error_response(error.status_code, str(error.detail), error.headers)
            except RequestValidationError as error:
                reasons = "; ".join(f"{wrong['loc'][-1]}: {reason_of_field(wrong)}" for wrong in error.errors())
                return error_response(HTTPStatus.BAD_REQUEST, reasons)
            except RowlineError as failure:
                return error_response(status_of(failure), reason_of(request, failure))

        return handler


def error_response(status: int, reason: str, headers: Any = None) -> JSONResponse:
    return JSONResponse({"error": reason, "data": None, "status": int(status)}, status, headers)


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": RunError, "description": HTTPStatus(status).phrase} for status in (400, 401, 403, 404, 429, 503)
}
EventId = Annotated[str, Path(alias="eventId", examples=[ULID])]
RunId = Annotated[str, Path(alias="runId", examples=[ULID])]
Machine = Annotated[Caller, Depends(machine("events"))]
router = APIRouter(prefix="/v1", tags=["events"], route_class=EventApiRoute, responses=REFUSALS)


@router.get("/events", response_model=Events, summary="Events, newest first")
def list_events(
    caller: Machine,
    services: OurServices,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    name: Annotated[str | None, Query(description="Only events of this name.")] = None,
    received_after: Annotated[datetime | None, Query(description="A time with its zone.")] = None,
    received_before: Annotated[datetime | None, Query(description="A time with its zone.")] = None,
    cursor: Annotated[str | None, Query(description="The last `internal_id` of the page before.")] = None,
) -> AsciiJSONResponse:
    if cursor is not None and not is_ulid(cursor):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "cursor: must be the internal_id of an event")
    times = [
        moment and (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        for moment in (received_after, received_before)
    ]
    after, before = times
    events = services.ledger.events.listed(caller.organization_id, limit, name, after, before, cursor)
    return AsciiJSONResponse(envelope([Event.from_event(event) for event in events], now()))


@router.get("/events/{eventId}", response_model=OneEvent, summary="One event")
def get_event(caller: Machine, services: OurServices, event_id: EventId) -> AsciiJSONResponse:
    return AsciiJSONResponse(envelope(Event.from_event(get_own_event(services, caller, event_id)), now()))


@router.get("/events/{eventId}/runs", response_model=Runs, summary="The runs that an event started")
def list_runs_of_event(caller: Machine, services: OurServices, event_id: EventId) -> AsciiJSONResponse:
    event = get_own_event(services, caller, event_id)
    runs = services.ledger.events.runs(caller.organization_id, event.event_id)
    return AsciiJSONResponse(envelope([Run.from_run(run) for run in runs], now()))


@router.get("/runs/{runId}", response_model=OneRun, summary="One run")
def get_run(caller: Machine, services: OurServices, run_id: RunId) -> AsciiJSONResponse:
    return AsciiJSONResponse(envelope(Run.from_run(get_own_run(services, caller, run_id)), now()))


@router.delete(
    "/runs/{runId}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Cancel a run that has not ended",
    responses={409: {"model": RunError, "description": "It has ended"}},
)
def cancel_run(caller: Machine, services: OurServices, run_id: RunId) -> None:
    """Cancelling twice is cancelling once."""
    status = run_status(get_own_run(services, caller, run_id))
    if status == "Cancelled":
        return
    if status in ("Completed", "Failed") or not services.ledger.events.cancel(caller.organization_id, run_id):
        raise Conflict(f"Run {run_id} has ended; there is nothing to cancel")


def get_own_event(services: Services, caller: Caller, event_id: str) -> KeptEvent:
    """Answers 400 to what is no id. Raises NotFound for an unknown event, or another organization's."""
    if not is_ulid(event_id):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "Invalid event ID; it is a ULID of 26 letters and digits")
    event = services.ledger.events.event(caller.organization_id, event_id)
    if event is None:
        raise NotFound(f"There is no event {event_id}")
    return event


def get_own_run(services: Services, caller: Caller, run_id: str) -> EventRun:
    """Answers 400 to what is no id. Raises NotFound for an unknown run, or another organization's."""
    if not is_ulid(run_id):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "Invalid run ID; it is a ULID of 26 letters and digits")
    run = services.ledger.events.run(caller.organization_id, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}")
    return run


def now() -> datetime:
    return datetime.now(UTC)
