"""JSON of documents: versions, lists of them, status, batches and result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, Self, cast

from pydantic import Field, TypeAdapter

from domain.documents.rows import Mode
from domain.documents.statuses import Status, VersionOutcome, error_rows
from gateway.schemas.base import Page, Schema, Timestamp, present
from resources.ledger.documents.versions import UploadResult

DOCUMENT_ID = "doc_01a1fcd2266c718b810e8b4bee2183a6"


class VersionView(VersionOutcome, Protocol):
    """What these schemas read of a version."""

    @property
    def document_id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def filename(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def error(self) -> str | None: ...
    @property
    def waiting_reason(self) -> str | None: ...
    @property
    def live_version(self) -> int | None: ...


class ListedVersionView(VersionView, Protocol):
    """What a list of documents reads beside it."""

    @property
    def organization_id(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def template_json(self) -> Mapping[str, Any]: ...
    @property
    def byte_size(self) -> int: ...
    @property
    def uploaded_at(self) -> datetime: ...


class _VersionFields(Schema):
    document_id: str = Field(examples=[DOCUMENT_ID])
    version: int = Field(examples=[1])
    filename: str = Field(examples=["premiums_ko.xlsx"])
    status: Status = Field(examples=["pending"])
    known: bool = Field(False, description="Present only if a version had the same bytes already.")


class Upload(_VersionFields):
    """A version that an upload made, or that had the same bytes already (`known`)."""

    @classmethod
    def from_version(cls, version: VersionView, already_known: bool = False) -> Self:
        return cls(**_identity(version), **present(known=already_known))

    @classmethod
    def from_result(cls, result: UploadResult) -> Self:
        return cls.from_version(result.version, result.already_known)


class Uploads(Schema):
    """The versions of an upload, as `rowline upload --json` prints them; a request over HTTP has one file."""

    documents: list[Upload]

    @classmethod
    def from_versions(cls, versions: Iterable[VersionView]) -> Self:
        return cls(documents=[Upload.from_version(version) for version in versions])

    @classmethod
    def from_result(cls, result: UploadResult) -> Self:
        return cls(documents=[Upload.from_result(result)])


class Message(Schema):
    """Why a version failed."""

    message: str


class Document(_VersionFields):
    """A document by its current version."""

    organization_id: str = Field(examples=["acme"])
    live_version: int | None = Field(examples=[1], description="The version that searches show.")
    mode: Mode
    template: str = Field(examples=["premiums"])
    byte_size: int
    uploaded_at: Timestamp
    error_rows: int = Field(0, description="Present only if rows have errors.")
    error: Message | None = Field(None, description="Present only if the version failed.")

    @classmethod
    def from_version(cls, version: ListedVersionView) -> Self:
        return cls(
            **_identity(version),
            organization_id=version.organization_id,
            live_version=version.live_version,
            mode=cast(Mode, version.mode),
            template=version.template_json["name"],
            byte_size=version.byte_size,
            uploaded_at=version.uploaded_at,
            **present(error_rows=error_rows(version), error=_message(version)),
        )


class Documents(Page):
    """A page of documents, newest first."""

    documents: list[Document]

    @classmethod
    def from_versions(cls, versions: Iterable[ListedVersionView], next_cursor: str | None) -> Self:
        return cls(documents=[Document.from_version(version) for version in versions], next_cursor=next_cursor)


class Versions(Schema):
    """All stored versions of a document, newest first."""

    versions: list[Document]

    @classmethod
    def from_versions(cls, versions: Iterable[ListedVersionView]) -> Self:
        return cls(versions=[Document.from_version(version) for version in versions])


class RowError(Schema):
    """A row with an error, by the number that a person sees in the sheet."""

    sheet: str | None = None
    row_number: int
    message: str


class Batch(Schema):
    """One unit of progress."""

    batch_number: int
    total_batches: int
    start_row: int
    end_row: int
    status: Status
    processed_rows: int
    vectors_created: int
    errors: list[RowError]


class Batches(Page):
    """A page of a version's batches, in order."""

    batches: list[Batch]

    @classmethod
    def from_records(cls, records: Sequence[Mapping[str, Any]], next_cursor: str | None) -> Self:
        return cls(batches=BATCH_LIST.validate_python(records), next_cursor=next_cursor)


BATCH_LIST = TypeAdapter(list[Batch])


class Progress(Schema):
    """How far a version is."""

    batches_done: int
    batches_total: int
    rows_done: int
    rows_total: int
    error_rows: int = Field(0, description="Present only if rows have errors.")
    waits_for: str | None = Field(None, description="Present only while the version waits for a service.")

    @classmethod
    def from_batches(cls, batches: Sequence[Mapping[str, Any]], waiting_reason: str | None) -> Self:
        done = [batch for batch in batches if batch["status"] == "completed"]
        return cls(
            batches_done=len(done),
            batches_total=len(batches),
            rows_done=sum(batch["rows"] for batch in done),
            rows_total=sum(batch["rows"] for batch in batches),
            **present(error_rows=sum(batch["errorRows"] for batch in batches), waits_for=waiting_reason),
        )


class Result(Schema):
    """The counts of a completed version; `errors` has the first 100 rows with an error."""

    total_rows: int
    processed_rows: int
    skipped_rows: int
    error_rows: int
    unchanged_rows: int
    duplicate_rows: int
    vectors_created: int
    vectors_deleted: int
    namespaces_updated: list[str]
    embedded_inputs: int
    tokens: int
    cost_usd: float | None
    processing_time_ms: int
    errors: list[RowError]


class DocumentStatus(_VersionFields):
    """State, progress, batches, result and error of a version."""

    live_version: int | None = Field(None, description="Present only if searches show another version.")
    progress: Progress
    batches: list[Batch]
    result: Result | None
    error: Message | None

    @classmethod
    def from_version(cls, version: VersionView, batches: Sequence[Mapping[str, Any]]) -> Self:
        """`batches` as the ledger lists them; what else they count is left out."""
        other = version.live_version if version.live_version != version.version else None
        return cls(
            **_identity(version),
            progress=Progress.from_batches(batches, version.waiting_reason),
            batches=BATCH_LIST.validate_python(batches),
            result=Result.model_validate(version.result) if version.result is not None else None,
            error=_message(version),
            **present(live_version=other),
        )


def _identity(version: VersionView) -> dict[str, Any]:
    return {
        "document_id": version.document_id,
        "version": version.version,
        "filename": version.filename,
        "status": version.status,
    }


def _message(version: VersionView) -> Message | None:
    return Message(message=version.error) if version.error else None
