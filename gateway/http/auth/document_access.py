"""Access to documents: those of the caller's organization, and no others."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Path
from pydantic import BeforeValidator, Strict

from domain.access.api_keys import Caller
from gateway.http.auth.callers import OurServices, Uploader
from resources.ledger.documents.documents import Version

MAX_VERSION = 2**31 - 1  # of a version: what the ledger can hold
NO_NUL = r"^[^\x00]+$"  # PostgreSQL stores no NUL in a text


def whole_organization(caller: Uploader) -> Caller:
    """A caller who may see all documents of the organization. Answers 403 if the key is one employee's."""
    if caller.employee_id is not None:
        raise HTTPException(HTTPStatus.FORBIDDEN, "This key is one employee's: it may search, and see no documents")
    return caller


def as_integer(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# a number in a JSON body: 2.0 is the whole number 2, "2" and true are none
StrictInt = Annotated[int, BeforeValidator(as_integer, json_schema_input_type=int), Strict()]
DocumentReader = Annotated[Caller, Depends(whole_organization)]
DocumentId = Annotated[
    str, Path(alias="documentId", min_length=1, max_length=255, pattern=NO_NUL, description="The document.")
]
VersionNumber = Annotated[int, Path(ge=1, le=MAX_VERSION, description="The number of a version.")]


def current_version(document_id: DocumentId, caller: DocumentReader, services: OurServices) -> Version:
    """The current version of the caller's document. Answers 404 if it does not exist, or is another organization's."""
    return services.ledger.listing.document(caller.organization_id, document_id)


CurrentVersion = Annotated[Version, Depends(current_version)]
