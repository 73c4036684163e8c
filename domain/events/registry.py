"""The registry: event name → typed payload → function. The only place that says what an event starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from domain.errors import InvalidRequest
from domain.events.payloads import (
    DocumentCleanup,
    DocumentProcess,
    DocumentRollback,
    DocumentUploaded,
    NotificationSend,
    Payload,
    SyncRequested,
    schema_of,
)
from domain.validation_messages import describe_error


@dataclass(frozen=True, slots=True)
class Function:
    """What starts at an event, and when (contracts of the event engine that the apps know).

    `starts`: the Dagster job, or `outbox`. `retries`: how often more it is tried after a transient failure.
    `concurrency`: how many may be in progress in the deployment; the rest waits. `batch`: how many are handled
    together. `cancel_on`: an event about the same subject that cancels what still waits.
    How it is done, its handler in `operations.functions.handlers` says.
    """

    name: str
    app: str
    event: str
    payload: type[Payload]
    starts: str
    retries: int = 3
    concurrency: int | None = None
    batch: int = 500
    cancel_on: tuple[str, ...] = ()


CLEANUP = "document/cleanup"
UPLOADED = Function(
    "document-uploaded",
    "documents",
    "document/uploaded",
    DocumentUploaded,
    "document_graph",
    batch=100,
    cancel_on=(CLEANUP,),
)
PROCESS = Function(
    "document-process", "documents", "document/process", DocumentProcess, "document_graph", cancel_on=(CLEANUP,)
)
REMOVE = Function("document-cleanup", "documents", CLEANUP, DocumentCleanup, "document_cleanup", concurrency=50)
ROLL_BACK = Function(
    "document-rollback",
    "documents",
    "document/rollback",
    DocumentRollback,
    "document_rollback",
    concurrency=50,
    cancel_on=(CLEANUP,),
)
SYNC = Function("vector-sync", "vectors", "vectors/sync.requested", SyncRequested, "vector_sync", concurrency=1)
NOTIFY = Function("send-notification", "notifications", "notification/send", NotificationSend, "outbox")

FUNCTIONS = (UPLOADED, PROCESS, REMOVE, ROLL_BACK, SYNC, NOTIFY)


def functions_of(event: str) -> list[Function]:
    """The functions that an event of this name starts; none for an unknown event."""
    return [function for function in FUNCTIONS if function.event == event]


def function_named(name: str) -> Function | None:
    """The function of this name; None if only a newer or older release has it."""
    return next((function for function in FUNCTIONS if function.name == name), None)


def cancelled_by(event: str) -> list[str]:
    """Functions whose waiting runs are cancelled by an event of this name about the same subject."""
    return [function.name for function in FUNCTIONS if event in function.cancel_on]


def read_payload(function: Function, data: Mapping[str, Any]) -> Payload:
    """Raises InvalidRequest with each wrong field and its reason, never with its value."""
    try:
        return function.payload.model_validate(data)
    except ValidationError as error:
        errors = ({**wrong, "loc": ("data", *wrong["loc"])} for wrong in error.errors(include_input=False))
        raise InvalidRequest(f"{function.event}: {'; '.join(map(describe_error, errors))}") from None


def registry_json() -> dict[str, Any]:
    """Apps, functions, triggers, payloads and settings, as `GET /functions` returns them."""
    apps: dict[str, list[dict[str, Any]]] = {}
    for function in FUNCTIONS:
        apps.setdefault(function.app, []).append(function_json(function))
    return {"apps": [{"name": name, "functions": functions} for name, functions in apps.items()]}


def function_json(function: Function) -> dict[str, Any]:
    return {
        "name": function.name,
        "description": (function.payload.__doc__ or "").strip(),
        "triggers": [{"event": function.event}],
        "starts": function.starts,
        "payload": schema_of(function.payload),
        "settings": {
            "retries": function.retries,
            "concurrency": function.concurrency,
            "batchEvents": {"maxSize": function.batch},
            "cancelOn": [{"event": event, "match": "data.documentId"} for event in function.cancel_on],
        },
    }
