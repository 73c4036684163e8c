"""JSON of events and their runs for apps that poll: the event engine's REST format, whose keys are snake_case."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, Self

from pydantic import BaseModel, Field

from domain.timestamps import isoformat_utc

ULID = "01M7Y1BYAWCM74RYSJ606BDNG5"

Status = Literal["Scheduled", "Running", "Completed", "Failed", "Cancelled"]
STATUSES: dict[str, Status] = {
    "waiting": "Scheduled",
    "submitting": "Scheduled",
    "requested": "Scheduled",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
VERSION_STATUSES: dict[str, Status] = {
    "pending": "Scheduled",
    "processing": "Running",
    "completed": "Completed",
    "rolled_back": "Completed",
    "failed": "Failed",
}


class RunView(Protocol):
    """What these schemas read of a run and of the version that it is attached to."""

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


class EventView(Protocol):
    """What these schemas read of an event."""

    @property
    def event_id(self) -> str: ...
    @property
    def fields(self) -> Mapping[str, Any]: ...
    @property
    def received_at(self) -> datetime: ...


class Run(BaseModel):
    """One function that an event started. `output` is its result, or why it failed."""

    run_id: str = Field(examples=[ULID])
    run_started_at: str
    function_id: str = Field(examples=["document-uploaded"])
    function_version: int
    environment_id: str = Field(examples=["acme"])
    event_id: str = Field(examples=[ULID])
    status: Status
    ended_at: str | None
    output: Any

    @classmethod
    def from_run(cls, run: RunView) -> Self:
        status = run_status(run)
        ended = run.ended_at or (run.version_ended_at if status in ("Completed", "Failed") else None)
        return cls(
            run_id=run.run_id,
            run_started_at=isoformat_utc(run.started_at or run.created_at),
            function_id=run.function,
            function_version=1,
            environment_id=run.organization_id,
            event_id=run.event_id,
            status=status,
            ended_at=isoformat_utc(ended),
            output=run_output(run, status),
        )


class Event(BaseModel):
    """An event as it was sent."""

    internal_id: str = Field(examples=[ULID])
    id: str
    name: str = Field(examples=["document/uploaded"])
    data: dict[str, Any]
    user: dict[str, Any]
    ts: int
    v: str
    received_at: str

    @classmethod
    def from_event(cls, event: EventView) -> Event:
        """Not validated: an event may hold half of a surrogate pair, which pydantic takes for no text."""
        fields = event.fields
        return cls.model_construct(
            internal_id=event.event_id,
            id=fields.get("id") or event.event_id,
            name=fields["name"],
            data=fields["data"],
            user=fields.get("user", {}),
            ts=fields.get("ts") or int(event.received_at.timestamp() * 1000),
            v=fields.get("v", ""),
            received_at=isoformat_utc(event.received_at),
        )


class Metadata(BaseModel):
    """When it was looked up. Nothing is cached."""

    fetched_at: str
    cached_until: str


class OneRun(BaseModel):
    data: Run
    metadata: Metadata


class Runs(BaseModel):
    data: list[Run]
    metadata: Metadata


class OneEvent(BaseModel):
    data: Event
    metadata: Metadata


class Events(BaseModel):
    data: list[Event]
    metadata: Metadata


def run_status(run: RunView) -> Status:
    """The status of a run; of one that is attached to a version, the version's."""
    if run.state == "attached":
        return VERSION_STATUSES[run.version_status] if run.version_status else "Cancelled"
    if run.state == "requested" and run.started_at:
        return "Running"
    return STATUSES[run.state]


def run_output(run: RunView, status: Status) -> Any:
    """The result of a run, or why it failed; None until it ends."""
    if status in ("Failed", "Cancelled"):
        reason = run.error or run.version_error or f"The run was {status.lower()}"
        return {"name": "Error", "message": reason, "error": reason, "stack": ""}
    if status != "Completed":
        return None
    output = json.loads(run.output) if run.output else {}
    if run.document_id and run.version:
        output = {"documentId": run.document_id, "version": run.version, **output}
        if run.version_result is not None:
            output.setdefault("result", dict(run.version_result))
    return output


def envelope(data: Run | Event | Sequence[Run] | Sequence[Event], now: datetime) -> dict[str, Any]:
    """The answer around runs or events, as plain values: pydantic would not dump an event of 300 levels."""
    metadata = {"fetched_at": isoformat_utc(now), "cached_until": isoformat_utc(now)}
    items = [dict(item) for item in data] if isinstance(data, Sequence) else dict(data)
    return {"data": items, "metadata": metadata}
