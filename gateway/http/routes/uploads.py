"""Uploads over HTTP: received in chunks, limited while they arrive, checked before they are stored."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import PurePath
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from domain.documents.rows import Mode
from domain.documents.templates import WorkbookTemplate
from domain.errors import Conflict, TooLarge, UnreadableFile
from formats.detection import refuse_early
from gateway.http.auth.callers import OurServices
from gateway.http.auth.document_access import NO_NUL, DocumentReader
from gateway.http.problems import problem_responses, wrong_field
from gateway.schemas.documents import Uploads
from operations.services import Services
from resources.ledger.documents.uploads import SAME_NAME
from resources.ledger.documents.versions import UploadResult

router = APIRouter(tags=["documents"])
FORM_BYTES = 1 << 16  # of a form, beside the file
FIELD_BYTES = 4096
MAX_FIELDS = 8
CHUNK = 1 << 20

Idempotency = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key is accepted once: a repeat is answered with the version that the first request made.",
    ),
]


class Fields(BaseModel):
    """The fields of a form beside the file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    template: str | None = Field(
        None, min_length=1, max_length=200, pattern=NO_NUL, description="Name of a stored template."
    )
    mode: Mode = Field(
        "company_wide", description="Where rows are indexed: in one namespace, or in each employee's own."
    )
    documentId: str | None = Field(
        None, min_length=1, max_length=255, pattern=NO_NUL, description="Make a new version of this document."
    )
    sameName: bool = Field(False, description="Make a new version of the newest document of that name and template.")
    economy: bool | None = Field(None, description="May wait up to a day for a lower price.")


@dataclass(frozen=True, slots=True)
class Form:
    """A complete form: one file, at its start, and the other fields."""

    file: BinaryIO
    filename: str
    fields: Fields


async def receive_form(request: Request, _: DocumentReader, services: OurServices) -> AsyncIterator[Form]:
    """The request's form, on disk if it is large. The caller is authenticated before the body is read."""
    content_type = request.headers.get("Content-Type", "")
    if not content_type.lower().startswith("multipart/form-data"):
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the file as multipart/form-data, in a field file")
    stream = limited_body(request, services.settings.max_upload_bytes)
    parser = MultiPartParser(request.headers, stream, max_files=1, max_fields=MAX_FIELDS, max_part_size=FIELD_BYTES)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"The form cannot be read: {error.message}") from error
    except ClientDisconnect as error:
        raise HTTPException(
            HTTPStatus.BAD_REQUEST, "The connection ended before the file did; send it again"
        ) from error
    try:
        yield parse_form(form)
    finally:
        for file in parser._files_to_close_on_error:  # an incomplete part is not in the form
            file.close()


async def limited_body(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The body. Raises TooLarge before reading if Content-Length exceeds the limit, else as soon as the body does."""
    refusal = TooLarge(f"The file is larger than the {limit / 2**20:.0f} MiB that are accepted")
    announced = request.headers.get("Content-Length", "0")
    if announced.isdecimal() and int(announced) > limit + FORM_BYTES:
        raise refusal
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit + FORM_BYTES:
            raise refusal
        yield chunk


def parse_form(form: FormData) -> Form:
    """Raises RequestValidationError, which names each wrong field."""
    texts: dict[str, Any] = {}
    file: UploadFile | None = None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != "file":
                raise wrong_field("body.file", "is missing; send the file in the field of this name")
            file = value
        elif name == "file":
            raise wrong_field("body.file", "is a text; send a file, with a filename")
        elif name in texts:
            raise wrong_field(f"body.{name}", "is there twice")
        elif value:  # a browser sends an empty text for an option that was not chosen
            texts[name] = value
    if file is None:
        raise wrong_field("body.file", "is missing")
    try:
        fields = Fields(**texts)
    except ValidationError as error:
        raise RequestValidationError([{**wrong, "loc": ("body", *wrong["loc"])} for wrong in error.errors()]) from None
    if fields.documentId and fields.sameName:
        raise wrong_field("body.sameName", "and documentId both choose the document; send one of them")
    return Form(file.file, file_name(file.filename), fields)


def file_name(name: str | None) -> str:
    """The file's name without folders. Browsers write a quotation mark in it as %22, as HTML has it."""
    return PurePath((name or "").replace("\\", "/")).name.replace("%22", '"') or "upload"


@router.post(
    "/documents",
    status_code=HTTPStatus.CREATED,
    response_model=Uploads,
    response_model_exclude_unset=True,
    summary="Upload a workbook: a new document, or a new version of one",
    responses=problem_responses(
        *(400, 404, 409, 413, 415, 422),
        beside={200: {"model": Uploads, "description": "Already known: nothing was stored"}},
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        **Fields.model_json_schema(),
                        "required": ["file"],
                        "properties": {
                            "file": {"type": "string", "format": "binary", "description": "The workbook."},
                            **Fields.model_json_schema()["properties"],
                        },
                    },
                    "example": {"file": "premiums_ko.xlsx", "template": "premiums", "mode": "employee_split"},
                }
            },
        }
    },
)
def upload_document(
    request: Request,
    form: Annotated[Form, Depends(receive_form)],
    caller: DocumentReader,
    services: OurServices,
    response: Response,
    key: Idempotency = None,
) -> Uploads:
    """The file is on disk and the version in the ledger before the answer: after a 201 nothing is lost.

    One request is one file, with its own key, Location and error.
    """
    result = store_upload(services, form, caller.organization_id, key)
    version = result.version
    request.state.document_id = version.document_id  # for the log
    response.headers["Location"] = f"/documents/{version.document_id}"
    if result.already_known:
        response.status_code = HTTPStatus.OK
    return Uploads.from_result(result)


def store_upload(services: Services, form: Form, organization_id: str, key: str | None = None) -> UploadResult:
    """The version that a form makes, or the one that holds the same bytes already.

    Raises UnreadableFile if the first bytes are no workbook's, Conflict if the key was used for another file.
    """
    fields, document = form.fields, form.fields.documentId
    if document is not None:  # also by the app's own id for it
        document = services.ledger.listing.document(organization_id, document).document_id
    try:
        refuse_early(form.file)
    except UnreadableFile as error:
        raise type(error)(f"{form.filename}: {error}") from error
    template = services.ledger.organizations.template(organization_id, fields.template) if fields.template else None
    result = services.uploads.upload(
        form.file,
        form.filename,
        organization_id,
        template or WorkbookTemplate(),
        fields.mode,
        SAME_NAME if fields.sameName else document,
        f"http:{organization_id}:{key}" if key else None,
        fields.economy,
    )
    if key and result.already_known and result.version.upload.sha256 != digest(form.file):
        raise Conflict(f"The Idempotency-Key {key} was another file's; use a new key for each file")
    return result


def digest(file: BinaryIO) -> bytes:
    """SHA-256 of a file."""
    sha256 = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(CHUNK):
        sha256.update(chunk)
    return sha256.digest()
