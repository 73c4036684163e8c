"""Acceptance of events: ids and runs are planned before anything is stored; of a request all are accepted, or none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import ErrorCode, InvalidRequest
from domain.events.ids import Seed, run_id_of
from domain.events.parsing import Event, place_of
from domain.events.registry import cancelled_by, functions_of, read_payload


class OrganizationMismatch(InvalidRequest):
    """An event that names another organization than its key's (HTTP 403)."""

    code = ErrorCode.ORGANIZATION_MISMATCH


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One function that an event starts."""

    run_id: str
    function: str
    subject: str | None


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """An event that may be stored. `digest`: of its name and the sender's id for it, if any."""

    event_id: str
    event: Event
    digest: bytes | None
    runs: Sequence[PlannedRun]
    cancels: Sequence[str]  # functions whose waiting runs about the same subject it cancels
    subject: str | None


def accept_events(events: Sequence[Event], organization_id: str, seed: Seed) -> list[AcceptedEvent]:
    """All events of a request, with the ids of its seed. Raises InvalidRequest if one of them is not acceptable."""
    return [
        _accepted(event, organization_id, seed.id_of(number), place_of(number, len(events)))
        for number, event in enumerate(events, 1)
    ]


def _accepted(event: Event, organization_id: str, event_id: str, where: str) -> AcceptedEvent:
    runs, subject = [], None
    for function in functions_of(event.name):
        try:
            payload = read_payload(function, event.data)
        except InvalidRequest as error:
            raise InvalidRequest(f"{error}{where}") from None
        if payload.tenant_id not in (None, organization_id):
            raise OrganizationMismatch(f"{event.name}: data.tenantId: is not the organization of the key{where}")
        subject = payload.subject
        runs.append(PlannedRun(run_id_of(organization_id, event_id, function.name), function.name, subject))
    cancels = cancelled_by(event.name) if subject is not None else []
    return AcceptedEvent(event_id, event, digest_of_id(event.name, event.id), runs, cancels, subject)


def digest_of_id(name: str, text: str | None) -> bytes | None:
    """An id is its function's, as in the event engine; here an event's name starts one function at most, so it stands
    for it. Both may be any text of any length; a digest is what an index takes."""
    return hashlib.sha256(json.dumps([name, text]).encode()).digest() if text is not None else None
