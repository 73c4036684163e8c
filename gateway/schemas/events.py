"""How events and their runs are told to apps that poll: the event engine's REST shapes, from what the ledger knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Protocol

from domain.timestamps import isoformat_utc

Status = Literal["Scheduled", "Running", "Completed", "Failed", "Cancelled"]
STATUSES: dict[str, Status] = {
    "waiting": "Scheduled",
    "requesting": "Scheduled",
    "requested": "Scheduled",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
OF_VERSION: dict[str, Status] = {
    "pending": "Scheduled",
    "processing": "Running",
    "completed": "Completed",
    "rolled_back": "Completed",
    "failed": "Failed",
}


class RunView(Protocol):
    """A run with the version that it follows, as the ledger has them now."""

    @property
    def run_id(self) -> str: ...
    @property
    def event_id(self) -> str: ...
    @property
    def organization_id(self) -> str: ...
    @property
    def function(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def document_id(self) -> str | None: ...
    @property
    def version(self) -> int | None: ...
    @property
    def output(self) -> str | None: ...
    @property
    def error(self) -> str | None: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def ended_at(self) -> datetime | None: ...
    @property
    def version_status(self) -> str | None: ...
    @property
    def version_error(self) -> str | None: ...
    @property
    def version_result(self) -> Mapping[str, Any] | None: ...
    @property
    def version_ended_at(self) -> datetime | None: ...


class Kept(Protocol):
    """An event as it was kept."""

    @property
    def event_id(self) -> str: ...
    @property
    def fields(self) -> Mapping[str, Any]: ...
    @property
    def received_at(self) -> datetime: ...


def status_of(run: RunView) -> Status:
    """What the run's word is; of one that follows a version, the version's."""
    if run.state == "following":
        return OF_VERSION[run.version_status] if run.version_status else "Cancelled"
    if run.state == "requested" and run.started_at:
        return "Running"
    return STATUSES[run.state]


def run_json(run: RunView) -> dict[str, Any]:
    status = status_of(run)
    ended = run.ended_at or (run.version_ended_at if status in ("Completed", "Failed") else None)
    return {
        "run_id": run.run_id,
        "run_started_at": isoformat_utc(run.started_at or run.created_at),
        "function_id": run.function,
        "function_version": 1,
        "environment_id": run.organization_id,
        "event_id": run.event_id,
        "status": status,
        "ended_at": isoformat_utc(ended),
        "output": output_of(run, status),
    }


def output_of(run: RunView, status: Status) -> Any:
    """What a run gave, or why it failed; None while it goes on."""
    if status in ("Failed", "Cancelled"):
        reason = run.error or run.version_error or f"The run was {status.lower()}"
        return {"name": "Error", "message": reason, "error": reason, "stack": ""}
    if status != "Completed":
        return None
    told = json.loads(run.output) if run.output else {}
    if run.document_id and run.version:
        told = {"documentId": run.document_id, "version": run.version, **told}
        if run.version_result is not None:
            told.setdefault("result", dict(run.version_result))
    return told


def event_json(event: Kept) -> dict[str, Any]:
    fields = event.fields
    return {
        "internal_id": event.event_id,
        "id": fields.get("id") or event.event_id,
        "name": fields["name"],
        "data": fields["data"],
        "user": fields.get("user", {}),
        "ts": fields.get("ts") or int(event.received_at.timestamp() * 1000),
        "v": fields.get("v", ""),
        "received_at": isoformat_utc(event.received_at),
    }


def answer(data: Any, now: datetime) -> dict[str, Any]:
    """Around what is told: when it was looked up. Nothing is cached."""
    return {"data": data, "metadata": {"fetched_at": isoformat_utc(now), "cached_until": isoformat_utc(now)}}
