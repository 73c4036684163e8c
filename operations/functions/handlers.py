"""Handlers: for each function of the registry, what is done for its runs.

The effect is a fact of the ledger, written together with the mark that it is done; a Dagster job is requested by the
sensor, from what its handler says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

from domain.documents.templates import WorkbookTemplate
from domain.events.payloads import (
    DocumentCleanup,
    DocumentRollback,
    DocumentUploaded,
    NotificationSend,
    Payload,
    SyncRequested,
)
from domain.events.registry import NOTIFY, PROCESS, REMOVE, ROLL_BACK, SYNC, UPLOADED, Function, read_payload
from operations.documents.uploads import Uploads
from resources.ledger.documents.uploads import ExternalId
from resources.ledger.events.function_runs import DueRun, JobRun
from resources.ledger.ledger import Ledger
from resources.objects.event_files import EventFiles

P = TypeVar("P", bound=Payload)


@dataclass(frozen=True, slots=True)
class FunctionResources:
    """What handlers work with."""

    ledger: Ledger
    uploads: Uploads
    files: EventFiles


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A Dagster job that is to run: its one op, and the op's configuration."""

    job: str
    op: str
    config: Mapping[str, Any]


class Handler(ABC, Generic[P]):
    """Does what a function does. One that is `slow` gets its runs one by one, some at a time."""

    function: ClassVar[Function]
    slow: ClassVar[bool] = False

    def __init__(self, resources: FunctionResources) -> None:
        self.resources = resources

    @abstractmethod
    def handle(self, runs: Sequence[DueRun]) -> None:
        """Do it for these runs together, or raise and have it done for none."""

    @classmethod
    def payload(cls, run: DueRun | JobRun) -> P:
        """Raises InvalidRequest for an event that does not say what the function needs."""
        return cast(P, read_payload(cls.function, run.data))


class UploadHandler(Handler[DocumentUploaded]):
    """The event's file becomes a document, or the next version of one."""

    function = UPLOADED
    slow = True

    def handle(self, runs: Sequence[DueRun]) -> None:
        for run in runs:
            self._upload(run, self.payload(run))

    def _upload(self, run: DueRun, payload: DocumentUploaded) -> None:
        stored = payload.template and self.resources.ledger.organizations.template(
            run.organization_id, payload.template
        )
        template = stored or WorkbookTemplate()
        mode = payload.mode or ("employee_split" if template.employee_identifier else "company_wide")
        external_id = ExternalId(payload.document_id, run.run_id)
        with self.resources.files.open(run.organization_id, payload.file_path) as body:
            self.resources.uploads.upload(body, payload.filename, run.organization_id, template, mode, external_id)


class ProcessHandler(Handler[Payload]):
    """The document waits for a run of the document graph."""

    function = PROCESS

    def handle(self, runs: Sequence[DueRun]) -> None:
        self.resources.ledger.function_runs.queue([run.run_id for run in runs])


class NotificationHandler(Handler[NotificationSend]):
    """The run is done when the message is in the outbox; the message itself says what becomes of it there."""

    function = NOTIFY

    def handle(self, runs: Sequence[DueRun]) -> None:
        messages = {run.run_id: self.payload(run).notification(run.organization_id, run.run_id) for run in runs}
        self.resources.ledger.function_runs.enqueue_notifications(messages)


class JobHandler(Handler[P]):
    """A Dagster job does it, on the document that the event names, if it names one."""

    op: ClassVar[str]
    of_removed: ClassVar[bool] = False  # whether a document that is being removed counts

    def handle(self, runs: Sequence[DueRun]) -> None:
        self.resources.ledger.function_runs.bind_to_document([run.run_id for run in runs], removed=self.of_removed)

    @classmethod
    def request(cls, run: JobRun) -> JobRequest:
        return JobRequest(cls.function.starts, cls.op, cls.config(cls.payload(run), run.document_id))

    @classmethod
    @abstractmethod
    def config(cls, payload: P, document_id: str | None) -> dict[str, Any]:
        """The op's configuration."""


class RemovalHandler(JobHandler[DocumentCleanup]):
    """What a removal that broke off left of a document is removed by the next one."""

    function = REMOVE
    op = "removed_documents"
    of_removed = True

    @classmethod
    def config(cls, payload: DocumentCleanup, document_id: str | None) -> dict[str, Any]:
        return {"document_ids": [document_id], "dry_run": False}


class RollbackHandler(JobHandler[DocumentRollback]):
    """The document goes back to an older version."""

    function = ROLL_BACK
    op = "rolled_back_document"

    @classmethod
    def config(cls, payload: DocumentRollback, document_id: str | None) -> dict[str, Any]:
        return {"document_id": document_id, "to_version": payload.target_version}


class SyncHandler(JobHandler[SyncRequested]):
    """Ledger and vector store are compared."""

    function = SYNC
    op = "synced_vectors"

    @classmethod
    def config(cls, payload: SyncRequested, document_id: str | None) -> dict[str, Any]:
        return {"repair": payload.repair}


HANDLERS: Mapping[str, type[Handler[Any]]] = {
    handler.function.name: handler
    for handler in (
        UploadHandler,
        ProcessHandler,
        RemovalHandler,
        RollbackHandler,
        SyncHandler,
        NotificationHandler,
    )
}


def job_request(run: JobRun) -> JobRequest:
    """The job of a run. Raises InvalidRequest for an event that does not say what the function needs."""
    handler = HANDLERS[run.function]
    assert issubclass(handler, JobHandler)  # only its runs are bound to a document
    return handler.request(run)
