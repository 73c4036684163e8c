"""Taking files in over HTTP: received in chunks, bounded while they come, looked at before they are kept."""

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
from domain.documents.statuses import upload_json
from domain.documents.templates import WorkbookTemplate
from domain.errors import Conflict, TooLarge, UnreadableFile
from formats.detection import refuse_at_the_door
from gateway.http.auth.callers import OurServices
from gateway.http.auth.document_access import NO_NUL, DocumentReader
from gateway.http.problems import told_as, wrong_field
from gateway.schemas.documents import Uploads
from operations.services import Services
from resources.ledger.documents.uploads import SAME_NAME
from resources.ledger.documents.versions import UploadResult

router = APIRouter(tags=["documents"])
FORM_BYTES = 1 << 16  # what a form may hold beside the file
FIELD_BYTES = 4096
MOST_FIELDS = 8
CHUNK = 1 << 20

Idempotency = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key is honoured once: a repeat is answered with what the first request made.",
    ),
]


class Fields(BaseModel):
    """What a form says beside the file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    template: str | None = Field(
        None, min_length=1, max_length=200, pattern=NO_NUL, description="Name of a stored template."
    )
    mode: Mode = Field("company_wide", description="Where rows go: to one namespace, or to each employee's own.")
    documentId: str | None = Field(
        None, min_length=1, max_length=255, pattern=NO_NUL, description="Make a new version of this document."
    )
    sameName: bool = Field(False, description="Make a new version of the newest document of that name and template.")
    economy: bool | None = Field(None, description="May wait up to a day for a lower price.")


@dataclass(frozen=True, slots=True)
class Form:
    """A form that was received whole: one file, standing at its beginning, and what is said of it."""

    file: BinaryIO
    filename: str
    fields: Fields


async def received(request: Request, _: DocumentReader, services: OurServices) -> AsyncIterator[Form]:
    """The request's form, on disk where it is large. The caller is known before the first byte is read."""
    content_type = request.headers.get("Content-Type", "")
    if not content_type.lower().startswith("multipart/form-data"):
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the file as multipart/form-data, in a field file")
    stream = bounded(request, services.settings.upload_bytes)
    parser = MultiPartParser(request.headers, stream, max_files=1, max_fields=MOST_FIELDS, max_part_size=FIELD_BYTES)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"The form cannot be read: {error.message}") from error
    except ClientDisconnect as error:
        raise HTTPException(
            HTTPStatus.BAD_REQUEST, "The connection ended before the file did; send it again"
        ) from error
    try:
        yield checked(form)
    finally:
        for file in parser._files_to_close_on_error:  # also one whose part was cut off, which is not in the form
            file.close()


async def bounded(request: Request, at_most: int) -> AsyncGenerator[bytes, None]:
    """The body, as far as it may go: a longer one is refused without reading on, one that says so unread."""
    refusal = TooLarge(f"The file is larger than the {at_most / 2**20:.0f} MiB that are accepted")
    announced = request.headers.get("Content-Length", "0")
    if announced.isdecimal() and int(announced) > at_most + FORM_BYTES:
        raise refusal
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > at_most + FORM_BYTES:
            raise refusal
        yield chunk


def checked(form: FormData) -> Form:
    """Raises RequestValidationError, which names each wrong field."""
    said: dict[str, Any] = {}
    file: UploadFile | None = None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != "file":
                raise wrong_field("body.file", "is missing; the file belongs into the field of this name")
            file = value
        elif name == "file":
            raise wrong_field("body.file", "is a text; send a file, with a filename")
        elif name in said:
            raise wrong_field(f"body.{name}", "is there twice")
        elif value:  # a browser's form sends an empty text for what was not chosen
            said[name] = value
    if file is None:
        raise wrong_field("body.file", "is missing")
    try:
        fields = Fields(**said)
    except ValidationError as error:
        raise RequestValidationError([{**wrong, "loc": ("body", *wrong["loc"])} for wrong in error.errors()]) from None
    if fields.documentId and fields.sameName:
        raise wrong_field("body.sameName", "looks for the document that documentId names; send one of them")
    return Form(file.file, name_of(file.filename), fields)


def name_of(sent: str | None) -> str:
    """The file's name without folders. Browsers write a quotation mark in it as %22, as HTML has it."""
    return PurePath((sent or "").replace("\\", "/")).name.replace("%22", '"') or "upload"


@router.post(
    "/documents",
    status_code=HTTPStatus.CREATED,
    response_model=Uploads,
    response_model_exclude_unset=True,
    summary="Upload a workbook: a new document, or a new version of one",
    responses=told_as(
        *(400, 404, 409, 413, 415, 422),
        beside={200: {"model": Uploads, "description": "Known already: nothing was recorded"}},
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
    form: Annotated[Form, Depends(received)],
    caller: DocumentReader,
    services: OurServices,
    response: Response,
    key: Idempotency = None,
) -> dict[str, Any]:
    """The file is on disk and the version in the ledger before this is answered: 201 survives anything.

    One request is one file: its key, its address and a refusal are the file's own.
    """
    result = taken(services, form, caller.organization_id, key)
    version = result.version
    request.state.document_id = version.document_id  # for the log
    response.headers["Location"] = f"/documents/{version.document_id}"
    if result.already_known:
        response.status_code = HTTPStatus.OK
    return {"documents": [upload_json(version, result.already_known)]}


def taken(services: Services, form: Form, organization_id: str, key: str | None = None) -> UploadResult:
    """What the file of a form became.

    Raises UnreadableFile where a glance shows that it is no workbook, Conflict where the key was another file's.
    """
    fields, document = form.fields, form.fields.documentId
    if document is not None:  # the app's own name for it will do
        document = services.ledger.listing.document(organization_id, document).document_id
    try:
        refuse_at_the_door(form.file)
    except UnreadableFile as error:
        raise UnreadableFile(f"{form.filename}: {error}") from error
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
    """SHA-256 of a file, whatever it is kept in."""
    found = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(CHUNK):
        found.update(chunk)
    return found.digest()
