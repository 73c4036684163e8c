"""The list of documents, and uploads by those whose browser runs no scripts."""

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from domain.access.api_keys import Caller
from domain.documents.statuses import Status, error_rows
from domain.documents.templates import WorkbookTemplate
from gateway.http.auth.callers import OurServices
from gateway.http.auth.document_access import NO_NUL, DocumentReader
from gateway.http.routes.documents import documents_cursor
from gateway.http.routes.uploads import Form, receive_form, store_upload
from gateway.pages.localization import language_of
from gateway.pages.rendering import page
from operations.services import Services
from resources.ledger.documents.documents import Version

router = APIRouter(include_in_schema=False)
PER_PAGE = 25
UNFINISHED = ("pending", "processing")
STATUSES = ("pending", "processing", "completed", "failed", "rolled_back")


@dataclass(frozen=True, slots=True)
class Row:
    """A document as one line of the list."""

    version: Version
    errors: int
    batches_done: int
    batches_total: int

    @property
    def template(self) -> str:
        return template_name(self.version)


def template_name(version: Version) -> str:
    """The name of the version's template; empty where it was uploaded without one."""
    return "" if version.template == WorkbookTemplate() else version.template.name


def rows_of(services: Services, versions: list[Version]) -> list[Row]:
    progress = services.ledger.listing.progress([version for version in versions if version.status in UNFINISHED])
    return [Row(one, error_rows(one), *progress.get(one.document_id, (0, 0))) for one in versions]


def templates_of(services: Services, caller: Caller) -> list[str]:
    return [template["name"] for template in services.ledger.organizations.templates(caller.organization_id)]


@router.get("/")
def documents_page(
    request: Request,
    caller: DocumentReader,
    services: OurServices,
    before: Annotated[str | None, Depends(documents_cursor)],
    name: Annotated[str, Query(max_length=200, pattern=f"{NO_NUL}|^$")] = "",
    status: Status | Annotated[str, Query(pattern="^$")] = "",
) -> Response:
    found = services.ledger.listing.page(
        caller.organization_id, PER_PAGE + 1, before, as_status(status), name.strip() or None
    )
    rows = rows_of(services, found[:PER_PAGE])
    busy = [row for row in rows if row.version.status in UNFINISHED]
    return page(
        request,
        "documents.html",
        caller,
        rows=rows,
        busy=bool(busy),
        said=status_announcement(request, rows),
        name=name,
        status=status,
        statuses=STATUSES,
        cursor=before,
        next=address_of_next(found, name, status),
        templates=templates_of(services, caller),
    )


def as_status(text: Any) -> Any:
    """A form that chooses nothing sends an empty text."""
    return text or None


def address_of_next(found: list[Version], name: str, status: str) -> str | None:
    if len(found) <= PER_PAGE:
        return None
    asked = {"name": name, "status": status, "cursor": documents_cursor.of(found[PER_PAGE - 1].document_id)}
    return "/?" + urlencode({key: value for key, value in asked.items() if value})


def status_announcement(request: Request, rows: list[Row]) -> str:
    """What a screen reader reads out when it changes: how many still wait or are being processed."""
    say = language_of(request).say
    busy = [row.version for row in rows if row.version.status in UNFINISHED]
    return say("documents.busy", n=len(busy)) if busy else say("documents.idle")


@router.post("/upload")
def upload(
    request: Request, form: Annotated[Form, Depends(receive_form)], caller: DocumentReader, services: OurServices
) -> Response:
    """What upload.js sends to `/documents`, as a plain form; a refusal is a page that says why."""
    version = store_upload(services, form, caller.organization_id).version
    request.state.document_id = version.document_id  # for the log
    return RedirectResponse(f"/d/{version.document_id}", 303)
