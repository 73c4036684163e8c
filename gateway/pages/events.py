"""The event log: what was sent, what it started and how that went, an event sent by hand, and what events can start."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from domain.access.api_keys import Caller
from domain.errors import InvalidRequest, NotFound
from domain.events.ids import is_ulid
from domain.events.registry import FUNCTIONS, Function, function_named
from gateway.http.auth.callers import OurServices, needs
from gateway.pages.content_negotiation import PageRoute
from gateway.pages.event_examples import example_of, fields_of, meaning_of
from gateway.pages.links import run_address
from gateway.pages.rendering import page, printable
from gateway.schemas.events import Status, run_output, run_status
from operations.events.intake import ingest_events
from operations.services import Services
from resources.ledger.events.events import EventRun, KeptEvent

router = APIRouter(include_in_schema=False)
shared = APIRouter(route_class=PageRoute, include_in_schema=False)
PER_PAGE = 25
LONGEST = 200_000  # letters of an event that is sent by hand
MOST_SHOWN = 100_000  # of its content
UNFINISHED: set[Status] = {"Scheduled", "Running"}
NO_DOCUMENT = "doc_0"  # an example's, where there is none yet


def whole_organization(caller: Annotated[Caller, Depends(needs("events"))]) -> Caller:
    """Events name documents, so a key of one employee does not see them."""
    if caller.employee_id is not None:
        raise HTTPException(403, "This key is one employee's: it may search, and see no events")
    return caller


Sender = Annotated[Caller, Depends(whole_organization)]


@dataclass(frozen=True, slots=True)
class Run:
    """A function that an event started."""

    function_run: EventRun
    status: Status
    address: str | None

    @property
    def ended_at(self) -> datetime | None:
        return self.function_run.ended_at or (None if self.status in UNFINISHED else self.function_run.version_ended_at)

    @property
    def reason(self) -> str:
        """Why it failed or was cancelled; empty if it was not."""
        return (
            printable(run_output(self.function_run, self.status)["message"])
            if self.status in ("Failed", "Cancelled")
            else ""
        )

    @property
    def output(self) -> str:
        """What it gave, as JSON; empty where it gave nothing."""
        given = run_output(self.function_run, self.status) if self.status == "Completed" else None
        return as_json(given) if given else ""


@dataclass(frozen=True, slots=True)
class Line:
    """An event with its runs."""

    event: KeptEvent
    runs: list[Run]

    @property
    def busy(self) -> bool:
        return any(run.status in UNFINISHED for run in self.runs)


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that is being written, and why it was not taken."""

    name: str = ""
    data: str = "{}"
    failure: str = ""
    line: int = 0  # where the JSON ends to be JSON


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Events of one name, and those older than one."""

    name: str = ""
    cursor: str = ""


@router.get("/events")
def events_page(
    request: Request,
    caller: Sender,
    services: OurServices,
    name: Annotated[str, Query(max_length=300)] = "",
    cursor: Annotated[str, Query(max_length=40)] = "",
    function: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    chosen = function_named(function)
    draft = Draft(chosen.event, example_for(services, caller, chosen)) if chosen else Draft()
    return log(request, caller, services, draft, EventFilter(name.strip(), cursor if is_ulid(cursor) else ""))


@router.post("/events")
def send_event(
    request: Request,
    caller: Sender,
    services: OurServices,
    name: Annotated[str, Form(max_length=300)] = "",
    data: Annotated[str, Form(max_length=LONGEST)] = "{}",
) -> Response:
    """As an app would have sent it. What is wrong is said beside the form, which keeps what was written."""
    try:
        body = json.dumps({"name": name.strip(), "data": json.loads(data)})
        [event_id] = ingest_events(services.ledger, caller.organization_id, body.encode())
    except (json.JSONDecodeError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        return log(request, caller, services, Draft(name, data, line=line), code=422)
    except InvalidRequest as failure:
        return log(request, caller, services, Draft(name, data, str(failure)), code=422)
    return RedirectResponse(f"/events/{event_id}", 303)


def log(
    request: Request,
    caller: Caller,
    services: Services,
    draft: Draft,
    looked_for: EventFilter = EventFilter(),
    code: int = 200,
) -> Response:
    found = services.ledger.events.listed(
        caller.organization_id, PER_PAGE + 1, name=looked_for.name or None, cursor=looked_for.cursor or None
    )
    lines = lines_of(services, caller, found[:PER_PAGE])
    return page(
        request,
        "events.html",
        caller,
        code,
        lines=lines,
        busy=any(line.busy for line in lines),
        name=looked_for.name,
        cursor=looked_for.cursor,
        older=found[PER_PAGE - 1].event_id if len(found) > PER_PAGE else None,
        functions=FUNCTIONS,
        draft=draft,
    )


def lines_of(services: Services, caller: Caller, events: Sequence[KeptEvent]) -> list[Line]:
    runs: dict[str, list[Run]] = {}
    for function_run in services.ledger.events.runs_of(caller.organization_id, [event.event_id for event in events]):
        run = Run(function_run, run_status(function_run), run_address(services.settings, function_run.dagster_run_id))
        runs.setdefault(function_run.event_id, []).append(run)
    return [Line(event, runs.get(event.event_id, [])) for event in events]


def example_for(services: Services, caller: Caller, function: Function) -> str:
    """About the newest document, so that it can be sent as it stands."""
    newest = services.ledger.listing.page(caller.organization_id, 1)
    folder = services.settings.event_files_prefix.replace("{organization}", caller.organization_id)
    return example_of(function, newest[0].document_id if newest else NO_DOCUMENT, folder)


@router.get("/events/{eventId}")
def event_page(
    request: Request, caller: Sender, services: OurServices, event_id: Annotated[str, Path(alias="eventId")]
) -> Response:
    event = services.ledger.events.event(caller.organization_id, event_id) if is_ulid(event_id) else None
    if event is None:
        raise NotFound(f"There is no event {event_id}")
    [line] = lines_of(services, caller, [event])
    content = as_json(event.fields)
    return page(
        request,
        "event.html",
        caller,
        line=line,
        content=content[:MOST_SHOWN],
        cut=len(content) > MOST_SHOWN,
        sees_documents=caller.may("upload"),
    )


def as_json(value: Any) -> str:
    return printable(json.dumps(value, ensure_ascii=False, indent=2))


@shared.get("/functions")
def functions_page(request: Request, caller: Sender) -> Response:
    apps: dict[str, list[Function]] = {}
    for function in FUNCTIONS:
        apps.setdefault(function.app, []).append(function)
    return page(request, "functions.html", caller, apps=apps, fields_of=fields_of, meaning_of=meaning_of)
