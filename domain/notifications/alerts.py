"""Alerts: when one is opened, when people are reminded of it, and when it is over.

An alert is opened when the uncorrected failures of one cause within the window reach the threshold, and is over when
there is none left. In between, an open alert stays open and no new one is opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

Kind = Literal["document_failed", "document_errors", "run_died", "store_drift", "queue_age", "event_failed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
COUNTED: frozenset[Kind] = frozenset({"document_failed", "document_errors", "run_died", "event_failed"})
Transition = Literal["opened", "grown", "reminded", "recovered"]  # `grown` is recorded, and sent with the next message


@dataclass(frozen=True, slots=True)
class Cause:
    """What failures have in common: their kind, and their reason without names and numbers."""

    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A cause as of now: how many subjects, of which organizations, and one of them as the example."""

    cause: Cause
    count: int
    organizations: tuple[str, ...] = ()
    what: str = ""
    subject: str = ""
    organization_id: str = ""
    reason: str = ""
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An open alert: `notification_count` were sent, the last at `last_notified_at`; `count` is the highest so far."""

    alert_id: str
    cause: Cause
    count: int
    notification_count: int
    last_notified_at: datetime
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class AlertTransition:
    """A transition of an alert. `fact` is None if nothing of the cause is left, `alert` is None if it is new."""

    deed: Transition
    cause: Cause
    alert: OpenAlert | None
    fact: Fact | None


def decide_transitions(
    alerts: Iterable[OpenAlert],
    facts: Iterable[Fact],
    inspected: Collection[Kind],
    threshold: int,
    reminder: timedelta,
    now: datetime,
) -> list[AlertTransition]:
    """The transitions that follow from the facts of now.

    Kinds that could not be `inspected` change nothing: a failed read is not an empty answer.
    """
    open_alerts = {alert.cause: alert for alert in alerts}
    current: Mapping[Cause, Fact] = {fact.cause: fact for fact in facts if fact.count > 0}
    transitions: list[AlertTransition] = []
    for cause, fact in current.items():
        minimum = threshold if cause.kind in COUNTED else 1
        if cause not in open_alerts and fact.count >= minimum and cause.kind in inspected:
            transitions.append(AlertTransition("opened", cause, None, fact))
    for cause, alert in open_alerts.items():
        if cause.kind not in inspected:
            continue
        if cause not in current:
            transitions.append(AlertTransition("recovered", cause, alert, None))
        elif now - alert.last_notified_at >= reminder:
            transitions.append(AlertTransition("reminded", cause, alert, current[cause]))
        elif current[cause].count > alert.count:
            transitions.append(AlertTransition("grown", cause, alert, current[cause]))
    return transitions
