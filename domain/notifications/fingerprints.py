"""Fingerprints: failures are grouped, one alert per cause, so that 500 documents with one cause are one alert."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from domain.notifications.alerts import Cause, Fact, Kind

MAX_REASON_LENGTH = 300  # characters
PERSON_STOPPED = "The run was stopped"
DIED = re.compile(r"The process of run|The run (failed|was stopped)")
_VARYING = (
    (re.compile(r"[a-z][a-z0-9+.-]*://[^\s,;)]+", re.IGNORECASE), "…"),
    (re.compile(r"\b[a-z]{2,8}_\w*\d\w*|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{8,}\b"), "…"),
    (re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b"), "…"),  # ULIDs
    (re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|“[^”]*”"), "…"),
    (re.compile(r"\d[\d,.]*"), "#"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Incident:
    """One failure that is not corrected yet, as the ledger has it. `what` is the name of its subject for people."""

    kind: Kind
    organization_id: str
    subject: str  # the document, the event's run, …
    what: str
    reason: str
    run_id: str | None = None


@dataclass(slots=True)
class _Group:
    first: Incident
    subjects: set[str] = field(default_factory=set)
    organizations: set[str] = field(default_factory=set)


def normalize_reason(reason: str, names: Sequence[str] = ()) -> str:
    """The reason without what differs between occurrences: names, ids, addresses, quoted texts and numbers."""
    for name in sorted(filter(None, names), key=len, reverse=True):
        reason = reason.replace(name, "…")
    for varying, instead in _VARYING:
        reason = varying.sub(instead, reason)
    return reason.strip()[:MAX_REASON_LENGTH]


def failed_kind(reason: str) -> Kind | None:
    """The kind of a document's failure; None if a person stopped the run."""
    if reason.startswith(PERSON_STOPPED):
        return None
    return "run_died" if DIED.match(reason) else "document_failed"


def group_by_cause(incidents: Iterable[Incident]) -> list[Fact]:
    """Facts by cause: how many subjects of which organizations, with the first incident as the example."""
    groups: dict[Cause, _Group] = {}
    for incident in incidents:
        cause = Cause(incident.kind, normalize_reason(incident.reason, [incident.what, incident.subject]))
        group = groups.setdefault(cause, _Group(incident))
        group.subjects.add(incident.subject)
        group.organizations.add(incident.organization_id)
    return [
        Fact(
            cause,
            len(group.subjects),
            tuple(sorted(filter(None, group.organizations))),
            group.first.what,
            group.first.subject,
            group.first.organization_id,
            group.first.reason,
            group.first.run_id,
        )
        for cause, group in groups.items()
    ]
