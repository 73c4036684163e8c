"""Causes: what troubles have in common, so that five hundred documents that fail of one thing are one alert."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from domain.notifications.alerts import Cause, Fact, Kind

MOST_REASON = 300  # characters
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
class Trouble:
    """One thing that went wrong and still stands, as the ledger has it. `what` is its name to people."""

    kind: Kind
    organization_id: str
    subject: str  # the document, the event's run, …
    what: str
    reason: str
    run_id: str | None = None


@dataclass(slots=True)
class _Gathered:
    first: Trouble
    subjects: set[str] = field(default_factory=set)
    organizations: set[str] = field(default_factory=set)


def normalised(reason: str, names: Sequence[str] = ()) -> str:
    """A reason without what differs from one occurrence to the next: names, ids, addresses, quotes and numbers."""
    for name in sorted(filter(None, names), key=len, reverse=True):
        reason = reason.replace(name, "…")
    for varying, instead in _VARYING:
        reason = varying.sub(instead, reason)
    return reason.strip()[:MOST_REASON]


def failed_kind(reason: str) -> Kind | None:
    """Of what kind a document's failure is; none where a person meant it."""
    if reason.startswith(PERSON_STOPPED):
        return None
    return "run_died" if DIED.match(reason) else "document_failed"


def gathered(troubles: Iterable[Trouble]) -> list[Fact]:
    """Troubles by cause: how many of how many organizations, and the first of them as the example."""
    found: dict[Cause, _Gathered] = {}
    for trouble in troubles:
        cause = Cause(trouble.kind, normalised(trouble.reason, [trouble.what, trouble.subject]))
        one = found.setdefault(cause, _Gathered(trouble))
        one.subjects.add(trouble.subject)
        one.organizations.add(trouble.organization_id)
    return [
        Fact(
            cause,
            len(one.subjects),
            tuple(sorted(filter(None, one.organizations))),
            one.first.what,
            one.first.subject,
            one.first.organization_id,
            one.first.reason,
            one.first.run_id,
        )
        for cause, one in found.items()
    ]
