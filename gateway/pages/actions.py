"""What can be done with a document: each asked first, in a page that a script shows as a dialog."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from gateway.http.auth.callers import OurServices
from gateway.http.auth.document_access import CurrentVersion, DocumentReader, VersionNumber
from gateway.pages.localization import language_of
from gateway.pages.rendering import page
from operations.documents.removal import plan_removal, request_removal
from operations.documents.rollback import request_rollback
from resources.ledger.documents.documents import Version

router = APIRouter(include_in_schema=False)


@router.post("/d/{documentId}/retry")
def retry(current: CurrentVersion, services: OurServices) -> Response:
    services.ledger.documents.retry(current.document_id)
    return RedirectResponse(address_of(current), 303)


@router.get("/d/{documentId}/rollback/{number}")
def ask_rollback(
    request: Request, caller: DocumentReader, current: CurrentVersion, number: VersionNumber, services: OurServices
) -> Response:
    """Refused at once where it cannot be done."""
    services.ledger.live_versions.check_rollback(current.document_id, number)
    say = language_of(request).say
    return page(
        request,
        "confirm.html",
        caller,
        title=say("rollback.title", n=number),
        what=say("rollback.what", to=number),
        figures=[],
        action=f"{address_of(current)}/rollback/{number}",
        act=say("rollback.act"),
        dangerous=False,
        back=address_of(current),
    )


@router.post("/d/{documentId}/rollback/{number}")
def rollback(current: CurrentVersion, number: VersionNumber, services: OurServices) -> Response:
    """Kept as an event; the card watches what becomes of it."""
    event_id = request_rollback(services.ledger, current, number)
    return RedirectResponse(f"{address_of(current)}?aim={number}&event={event_id}", 303)


@router.get("/d/{documentId}/delete")
def ask_delete(request: Request, caller: DocumentReader, current: CurrentVersion, services: OurServices) -> Response:
    """With the numbers of a dry run."""
    (plan,) = plan_removal(services.document_stores, current.document_id)
    say = language_of(request).say
    return page(
        request,
        "confirm.html",
        caller,
        title=say("delete.title"),
        what=say("delete.what", filename=current.filename),
        figures=[
            (say("delete.versions"), len(plan.versions)),
            (say("delete.vectors"), plan.vectors_deleted),
            (say("delete.namespaces"), len(plan.namespaces_affected)),
            (say("delete.files"), plan.objects_deleted),
        ],
        action=f"{address_of(current)}/delete",
        act=say("delete.act"),
        dangerous=True,
        back=address_of(current),
    )


@router.post("/d/{documentId}/delete")
def delete(current: CurrentVersion, services: OurServices) -> Response:
    request_removal(services.document_stores, current)
    return RedirectResponse("/", 303)


def address_of(version: Version) -> str:
    return f"/d/{version.document_id}"
