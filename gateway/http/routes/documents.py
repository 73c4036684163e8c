"""Documents: list, status, batches, result, files, retry. Rollback and deletion are in `versions`."""

import tempfile
from http import HTTPStatus
from pathlib import Path, PurePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from domain.documents.statuses import Status
from domain.errors import Conflict, NotFound
from gateway.http.auth.callers import OurServices
from gateway.http.auth.document_access import MAX_VERSION, NO_NUL, CurrentVersion, DocumentReader, VersionNumber
from gateway.http.downloads import file_response
from gateway.http.pagination import Cursors, Limit
from gateway.http.problems import Responses, problem_responses
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
WhichVersion = Annotated[int | None, Query(ge=1, le=MAX_VERSION, description="Unset: the current version.")]


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
    status: Annotated[Status | None, Query(description="Only documents whose current version has this status.")] = None,
    filename: Annotated[
        str | None, Query(min_length=1, max_length=255, pattern=NO_NUL, description="Only names that contain this.")
    ] = None,
) -> Documents:
    """Every page is as fast as the first, and a new upload moves no page."""
    versions = services.ledger.listing.page(caller.organization_id, limit + 1, before, status, filename)
    more = documents_cursor.of(versions[limit - 1].document_id) if len(versions) > limit else None
    return Documents.from_versions(versions[:limit], more)


@router.get(
    "/documents/{documentId}",
    response_model=Document,
    response_model_exclude_unset=True,
    summary="A document by its current version",
    responses=problem_responses(404),
)
def get_document(version: CurrentVersion) -> Document:
    return Document.from_version(version)


@router.get(
    "/api/documents/{documentId}/status",
    response_model=DocumentStatus,
    response_model_exclude_unset=True,
    summary="Status of a document: progress, batches, result or error",
    responses=problem_responses(404, beside={304: {"description": "Unchanged since the answer with that ETag"}}),
)
def get_document_status(version: CurrentVersion, services: OurServices, request: Request, response: Response) -> Any:
    """To be polled every two seconds: with `If-None-Match`, an unchanged status costs one query."""
    etag = f'W/"{version.version}-{services.ledger.listing.etag(version)}"'
    if etag_matches(request.headers.get("If-None-Match", ""), etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag, "Cache-Control": "no-cache"})
    # read after the ETag: the answer must not be older than its ETag
    latest = services.ledger.documents.get(version.document_id, version.version)
    response.headers.update({"ETag": etag, "Cache-Control": "no-cache"})
    return DocumentStatus.from_version(latest, services.ledger.documents.batches(latest.document_id, latest.version))


def etag_matches(if_none_match: str, etag: str) -> bool:
    return if_none_match.strip() == "*" or etag in {item.strip() for item in if_none_match.split(",")}


@router.get(
    "/documents/{documentId}/batches",
    response_model=Batches,
    summary="The batches of a version, in order",
    responses=problem_responses(404),
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
    rest = [batch for batch in batches if batch["batchNumber"] > int(after or 0)]
    more = batches_cursor.of(str(rest[limit - 1]["batchNumber"])) if len(rest) > limit else None
    return Batches.from_records(rest[:limit], more)


@router.get(
    "/documents/{documentId}/result",
    response_model=Result,
    summary="The result of a completed version",
    responses=problem_responses(404, 409),
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
    summary="All stored versions of a document, newest first",
    responses=problem_responses(404),
)
def list_versions(version: CurrentVersion, services: OurServices) -> Versions:
    return Versions.from_versions(services.ledger.listing.versions(version))


@router.get(
    "/documents/{documentId}/versions/{number}/file",
    response_class=Response,
    summary="The file of a version, as it was uploaded",
    responses=problem_responses(404, beside=FILE),
)
def get_file(version: CurrentVersion, number: VersionNumber, services: OurServices) -> Response:
    chosen = services.ledger.documents.get(version.document_id, number)
    with services.objects.local(chosen.file) as path:
        file = path.open("rb")  # stays readable if the path is removed
    return file_response(file, chosen.filename)


@router.get(
    "/documents/{documentId}/errors.xlsx",
    response_class=Response,
    summary="The sheets, with a column that names the error of each row",
    responses=problem_responses(404, 409, 422, beside=FILE),
)
def get_error_workbook(current: CurrentVersion, services: OurServices, version: WhichVersion = None) -> Response:
    """To be corrected and uploaded again, with `documentId`."""
    chosen = current if version is None else services.ledger.documents.get(current.document_id, version)
    with tempfile.TemporaryDirectory(prefix="rowline-") as folder:
        workbook = Path(folder) / "errors.xlsx"
        if not services.error_workbooks.write(chosen, workbook):
            raise NotFound(f"No row of {chosen.filename} (version {chosen.version}) has an error")
        file = workbook.open("rb")
    return file_response(file, f"{PurePath(chosen.filename).stem} errors.xlsx")


@router.post(
    "/documents/{documentId}/retry",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Uploads,
    response_model_exclude_unset=True,
    summary="Retry a failed document; finished batches are not paid for twice",
    responses=problem_responses(404, 409),
)
def retry_document(version: CurrentVersion, services: OurServices) -> Uploads:
    return Uploads.from_versions([services.ledger.documents.retry(version.document_id)])
