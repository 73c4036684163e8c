"""Documents: listed, followed, read again, tried again. What changes which version is live is next door."""

import tempfile
from http import HTTPStatus
from pathlib import Path, PurePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from domain.documents.statuses import Status
from domain.errors import Conflict, NotFound
from gateway.http.auth.callers import OurServices
from gateway.http.auth.document_access import MOST_NUMBER, NO_NUL, CurrentVersion, DocumentReader, Number
from gateway.http.downloads import sent
from gateway.http.pagination import Cursors, Limit
from gateway.http.problems import Responses, told_as
from gateway.schemas.documents import Batches, Document, Documents, DocumentStatus, Result, Uploads, Versions

router = APIRouter(tags=["documents"])
documents_cursor = Cursors("documents", r"doc_[0-9a-f]{32}")
batches_cursor = Cursors("batches", r"[0-9]{1,9}")
FILE: Responses = {
    200: {
        "description": "The file",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
WhichVersion = Annotated[int | None, Query(ge=1, le=MOST_NUMBER, description="Unset: the current version.")]


@router.get(
    "/documents",
    response_model=Documents,
    response_model_exclude_unset=True,
    summary="The organization's documents, newest first",
)
def list_documents(
    caller: DocumentReader,
    services: OurServices,
    before: Annotated[str | None, Depends(documents_cursor)],
    limit: Limit = 50,
    status: Annotated[Status | None, Query(description="Only documents whose current version is so.")] = None,
    filename: Annotated[
        str | None, Query(min_length=1, max_length=255, pattern=NO_NUL, description="Only names that hold this.")
    ] = None,
) -> Documents:
    """Every page is as quick as the first, and an upload meanwhile moves none of them."""
    found = services.ledger.listing.page(caller.organization_id, limit + 1, before, status, filename)
    page = found[:limit]
    more = documents_cursor.of(page[-1].document_id) if len(found) > limit else None
    return Documents.from_versions(page, more)


@router.get(
    "/documents/{documentId}",
    response_model=Document,
    response_model_exclude_unset=True,
    summary="A document by its current version",
    responses=told_as(404),
)
def get_document(version: CurrentVersion) -> Document:
    return Document.from_version(version)


@router.get(
    "/api/documents/{documentId}/status",
    response_model=DocumentStatus,
    response_model_exclude_unset=True,
    summary="Where a document stands: progress, batches, result or error",
    responses=told_as(404, beside={304: {"description": "Nothing has changed since the answer of that ETag"}}),
)
def get_document_status(version: CurrentVersion, services: OurServices, request: Request, response: Response) -> Any:
    """To be asked every two seconds: with `If-None-Match`, an answer that is known costs one look at the ledger."""
    mark = f'W/"{version.version}-{services.ledger.listing.etag(version)}"'
    if is_known(request.headers.get("If-None-Match", ""), mark):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": mark, "Cache-Control": "no-cache"})
    # asked again: what is told must not be older than its mark
    now = services.ledger.documents.get(version.document_id, version.version)
    response.headers.update({"ETag": mark, "Cache-Control": "no-cache"})
    return DocumentStatus.from_version(now, services.ledger.documents.batches(now.document_id, now.version))


def is_known(shown: str, mark: str) -> bool:
    """Whether If-None-Match names the mark."""
    return shown.strip() == "*" or mark in {one.strip() for one in shown.split(",")}


@router.get(
    "/documents/{documentId}/batches",
    response_model=Batches,
    summary="The batches of a version, in order",
    responses=told_as(404),
)
def list_batches(
    current: CurrentVersion,
    services: OurServices,
    after: Annotated[str | None, Depends(batches_cursor)],
    limit: Limit = 200,
    version: WhichVersion = None,
) -> Batches:
    chosen = current if version is None else services.ledger.documents.get(current.document_id, version)
    batches = services.ledger.documents.batches(chosen.document_id, chosen.version)
    left = [batch for batch in batches if batch["batchNumber"] > int(after or 0)]
    more = batches_cursor.of(str(left[limit - 1]["batchNumber"])) if len(left) > limit else None
    return Batches.from_records(left[:limit], more)


@router.get(
    "/documents/{documentId}/result",
    response_model=Result,
    summary="What came of a version that is completed",
    responses=told_as(404, 409),
)
def get_result(current: CurrentVersion, services: OurServices, version: WhichVersion = None) -> Result:
    chosen = current if version is None else services.ledger.documents.get(current.document_id, version)
    if chosen.result is None:
        why = f": {chosen.error}" if chosen.error else ""
        raise Conflict(f"Version {chosen.version} of {chosen.document_id} is {chosen.status} and has no result{why}")
    return Result.model_validate(chosen.result)


@router.get(
    "/documents/{documentId}/versions",
    response_model=Versions,
    response_model_exclude_unset=True,
    summary="All kept versions of a document, newest first",
    responses=told_as(404),
)
def list_versions(version: CurrentVersion, services: OurServices) -> Versions:
    return Versions.from_versions(services.ledger.listing.versions(version))


@router.get(
    "/documents/{documentId}/versions/{number}/file",
    response_class=Response,
    summary="The file of a version, as it was uploaded",
    responses=told_as(404, beside=FILE),
)
def get_file(version: CurrentVersion, number: Number, services: OurServices) -> Response:
    chosen = services.ledger.documents.get(version.document_id, number)
    with services.objects.local(chosen.file) as path:
        file = path.open("rb")  # stays readable, whatever becomes of the path
    return sent(file, chosen.filename)


@router.get(
    "/documents/{documentId}/errors.xlsx",
    response_class=Response,
    summary="The sheets back, with what is wrong in each row",
    responses=told_as(404, 409, 422, beside=FILE),
)
def get_error_workbook(current: CurrentVersion, services: OurServices, version: WhichVersion = None) -> Response:
    """To be corrected and uploaded again, with `documentId`."""
    chosen = current if version is None else services.ledger.documents.get(current.document_id, version)
    with tempfile.TemporaryDirectory(prefix="rowline-") as folder:
        made = Path(folder) / "errors.xlsx"
        if not services.error_workbooks.write(chosen, made):
            raise NotFound(f"No row of {chosen.filename} (version {chosen.version}) has an error")
        file = made.open("rb")
    return sent(file, f"{PurePath(chosen.filename).stem} errors.xlsx")


@router.post(
    "/documents/{documentId}/retry",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Uploads,
    response_model_exclude_unset=True,
    summary="Try a failed document again; finished batches are not paid for twice",
    responses=told_as(404, 409),
)
def retry_document(version: CurrentVersion, services: OurServices) -> Uploads:
    return Uploads.from_versions([services.ledger.documents.retry(version.document_id)])
