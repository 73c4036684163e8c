"""A version as the ledger knows it: the file as it was uploaded, how it is processed, and how far it has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from psycopg import Cursor
from psycopg.rows import RowMaker

from domain.documents.rows import Mode
from domain.documents.templates import WorkbookTemplate, template_of
from domain.errors import NotFound


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """The file as it came. `object_key` and `sha256` are empty if it was erased on request."""

    filename: str
    object_key: str
    byte_size: int
    sha256: bytes
    uploaded_at: datetime


@dataclass(frozen=True, slots=True)
class ProcessingOptions:
    """What its rows become: chosen with the upload, and never changed. `deferred`: may wait a day for a lower price."""

    mode: Mode
    template_json: Mapping[str, Any]
    model: str
    dimension: int
    deferred: bool


@dataclass(frozen=True, slots=True)
class VersionState:
    """How far it has come.

    `attempt` counts from 1. `run_id` is the Dagster run that works on it, or did last. `plan_key` is None until its
    rows are planned, and `base_version` the live version that the plan was compared with. `waiting_reason` is a
    sentence while it waits for a service.
    """

    status: str
    attempt: int
    run_id: str | None
    plan_key: str | None
    base_version: int | None
    waiting_reason: str | None
    error: str | None
    result: dict[str, Any] | None
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a document; `live_version` and `removed` (its removal was requested) are its document's."""

    document_id: str
    version: int
    organization_id: str
    live_version: int | None
    removed: bool
    upload: UploadedFile
    options: ProcessingOptions
    state: VersionState

    @property
    def template(self) -> WorkbookTemplate:
        return template_of(self.options.template_json)

    @property
    def file(self) -> str:
        """The object key of the uploaded file. Raises NotFound if it was erased on request."""
        if not self.upload.object_key:
            raise NotFound(
                f"The file of version {self.version} of {self.document_id} was erased on request; upload the list anew"
            )
        return self.upload.object_key

    @property
    def folder(self) -> str:
        """The folder of the version's own objects."""
        return f"documents/{self.document_id}/{self.version}"

    @property
    def rows_file(self) -> str:
        """The object key of its rows, as Parquet, once they were read."""
        return f"{self.folder}/rows.parquet"

    # -- what views, plans of runs and the steps of a run ask of a version --------------------------------------

    @property
    def filename(self) -> str:
        return self.upload.filename

    @property
    def byte_size(self) -> int:
        return self.upload.byte_size

    @property
    def uploaded_at(self) -> datetime:
        return self.upload.uploaded_at

    @property
    def mode(self) -> Mode:
        return self.options.mode

    @property
    def template_json(self) -> Mapping[str, Any]:
        return self.options.template_json

    @property
    def model(self) -> str:
        return self.options.model

    @property
    def dimension(self) -> int:
        return self.options.dimension

    @property
    def deferred(self) -> bool:
        return self.options.deferred

    @property
    def status(self) -> str:
        return self.state.status

    @property
    def attempt(self) -> int:
        return self.state.attempt

    @property
    def waiting_reason(self) -> str | None:
        return self.state.waiting_reason

    @property
    def error(self) -> str | None:
        return self.state.error

    @property
    def result(self) -> dict[str, Any] | None:
        return self.state.result


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What an upload became. `already_known`: the version was there, with the same content; nothing was recorded."""

    version: Version
    already_known: bool


_PARTS: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    name: (part, tuple(field.name for field in fields(part)))
    for name, part in {"upload": UploadedFile, "options": ProcessingOptions, "state": VersionState}.items()
}


def version_row(cursor: Cursor[Any]) -> RowMaker[Version]:
    """A row factory for statements that begin with `VERSION`; each column is a field of the version or of a part."""
    columns = [column.name for column in cursor.description or ()]

    def make(values: Sequence[Any]) -> Version:
        row = dict(zip(columns, values, strict=True))
        parts = {name: part(**{field: row.pop(field) for field in names}) for name, (part, names) in _PARTS.items()}
        return Version(**row, **parts)

    return make
