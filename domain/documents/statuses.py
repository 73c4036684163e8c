"""How documents are told to people and apps: the shapes of status, batches and failure sentences (B10, B15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from domain.timestamps import isoformat_utc

Status = Literal["pending", "processing", "completed", "failed", "rolled_back"]
BATCH_FIELDS = (
    "batchNumber",
    "totalBatches",
    "startRow",
    "endRow",
    "status",
    "processedRows",
    "vectorsCreated",
    "errors",
)
RESULT_FIELDS = (
    "totalRows",
    "processedRows",
    "skippedRows",
    "errorRows",
    "unchangedRows",
    "duplicateRows",
    "vectorsCreated",
    "vectorsDeleted",
    "namespacesUpdated",
    "embeddedInputs",
    "tokens",
    "costUsd",
    "processingTimeMs",
    "errors",
)


class VersionView(Protocol):
    """A version as it is told."""

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
    def waits_for(self) -> str | None: ...
    @property
    def live_version(self) -> int | None: ...
    @property
    def result(self) -> Mapping[str, Any] | None: ...


class ListedVersionView(VersionView, Protocol):
    """A document by its current version, as a list tells it."""

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


def unexplained_end(how: str, steps: Sequence[str], run_id: str) -> str:
    """Why a document failed when no step said so itself."""
    where = f" in {', '.join(steps)}" if steps else ""
    return f"The run {how}{where}; run {run_id[:8]} in Dagster has the details. Finished batches are kept: retry."


def process_gone_message(run_id: str, where: str = "") -> str:
    """Why a document failed whose run's process died before it could say so."""
    return (
        f"The process of run {run_id[:8]}{where} is gone: killed, out of memory, or its machine stopped. "
        "Finished batches are kept: retry."
    )


def error_rows(version: VersionView) -> int:
    """How many rows of a completed version have errors; with some, it is no more than a partial success."""
    return int(version.result["errorRows"]) if version.result else 0


def describe_status(status: str, errors: int) -> str:
    """A status that does not hide what went wrong beside what went well."""
    return f"{status} with {count_noun(errors, 'error row')}" if errors else status


def count_noun(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def upload_json(version: VersionView, already_known: bool = False) -> dict[str, Any]:
    """What an upload became; has `known` only if the version was there already."""
    return {
        "documentId": version.document_id,
        "version": version.version,
        "filename": version.filename,
        "status": version.status,
        **({"known": True} if already_known else {}),
    }


def document_json(version: ListedVersionView) -> dict[str, Any]:
    """A document in a list, by its current version; `errorRows` and `error` only where there are some."""
    errors = error_rows(version)
    return {
        **upload_json(version),
        "organizationId": version.organization_id,
        "liveVersion": version.live_version,
        "mode": version.mode,
        "template": version.template_json["name"],
        "byteSize": version.byte_size,
        "uploadedAt": isoformat_utc(version.uploaded_at),
        **({"errorRows": errors} if errors else {}),
        **({"error": {"message": version.error}} if version.error else {}),
    }


def status_json(version: VersionView, batches: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """State, progress, batches, result and error of a version; `liveVersion` only where searches show another one.

    Progress has `errorRows` only where there are some, and `waitsFor` only while the version waits for a service.
    """
    errors = sum(batch["errorRows"] for batch in batches)
    done = [batch for batch in batches if batch["status"] == "completed"]
    return {
        "documentId": version.document_id,
        "version": version.version,
        "filename": version.filename,
        "status": version.status,
        **({"liveVersion": version.live_version} if version.live_version not in (None, version.version) else {}),
        "progress": {
            "batchesDone": len(done),
            "batchesTotal": len(batches),
            "rowsDone": sum(batch["rows"] for batch in done),
            "rowsTotal": sum(batch["rows"] for batch in batches),
            **({"errorRows": errors} if errors else {}),
            **({"waitsFor": version.waits_for} if version.waits_for else {}),
        },
        "batches": [{name: batch[name] for name in BATCH_FIELDS} for batch in batches],
        "result": {name: version.result[name] for name in RESULT_FIELDS} if version.result is not None else None,
        "error": {"message": version.error} if version.error else None,
    }
