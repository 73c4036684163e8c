"""Alerts: when a cause is worth being told, told again, and told to be gone.

A cause is there when as many troubles of it as the threshold stand: they happened within the window and nobody has
mended them. It is gone when none stands any more. In between an open alert stays open, and none is opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

Kind = Literal["document_failed", "document_errors", "run_died", "store_drift", "queue_age", "event_failed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
COUNTED: frozenset[Kind] = frozenset({"document_failed", "document_errors", "run_died", "event_failed"})
Deed = Literal["opened", "grown", "reminded", "recovered"]  # `grown` is written down, and told with the next word


@dataclass(frozen=True, slots=True)
class Cause:
    """What troubles have in common: their kind, and their reason without names and numbers."""

    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A cause as it stands now: how many, of whom, and one of them as the example."""

    cause: Cause
    count: int
    organizations: tuple[str, ...] = ()
    what: str = ""
    subject: str = ""
    organization_id: str = ""
    reason: str = ""
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """An alert that was told and whose cause is not gone. `told`: how often; `count`: the most that stood at once."""

    alert_id: str
    cause: Cause
    count: int
    told: int
    told_at: datetime
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """What to tell now. `fact` is missing where nothing of the cause stands; `alert` where it is new."""

    deed: Deed
    cause: Cause
    alert: Open | None
    fact: Fact | None


def steps(
    alerts: Iterable[Open],
    facts: Iterable[Fact],
    looked_at: Collection[Kind],
    threshold: int,
    reminder: timedelta,
    now: datetime,
) -> list[Step]:
    """What to tell of what stands now. Kinds that were not `looked_at` are not judged: not seen is not gone."""
    is_open = {alert.cause: alert for alert in alerts}
    standing: Mapping[Cause, Fact] = {fact.cause: fact for fact in facts if fact.count > 0}
    found: list[Step] = []
    for cause, fact in standing.items():
        enough = threshold if cause.kind in COUNTED else 1
        if cause not in is_open and fact.count >= enough and cause.kind in looked_at:
            found.append(Step("opened", cause, None, fact))
    for cause, alert in is_open.items():
        if cause.kind not in looked_at:
            continue
        if cause not in standing:
            found.append(Step("recovered", cause, alert, None))
        elif now - alert.told_at >= reminder:
            found.append(Step("reminded", cause, alert, standing[cause]))
        elif standing[cause].count > alert.count:
            found.append(Step("grown", cause, alert, standing[cause]))
    return found
