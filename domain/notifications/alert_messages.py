"""Telling: an alert in words: what happened, to what, why, what to do, where to look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.notifications.alerts import Deed, Kind, Step
from domain.notifications.messages import MOST_MESSAGE, MOST_SUBJECT, NewNotification, one_line, storable
from domain.notifications.recipients import Target

# one, many, what to do
WORDS: Mapping[Kind, tuple[str, str, str]] = {
    "document_failed": (
        "a document failed",
        "{n} documents failed of one cause",
        "Mend the cause, then `rowline retry DOC`; what was paid for is kept",
    ),
    "document_errors": (
        "a document has many error rows",
        "{n} documents have many error rows",
        "`rowline errors DOC` gives the sheet back with the errors marked; correct it and upload it with --document",
    ),
    "run_died": (
        "a run died",
        "{n} runs died",
        "See the run in Dagster, and whether the machine ran out of memory; then `rowline retry DOC`",
    ),
    "store_drift": (
        "ledger and vector store differ",
        "ledger and vector store differ",
        "`rowline sync-vectors --repair` puts it right; nothing is paid",
    ),
    "queue_age": (
        "something waits too long",
        "{n} wait too long",
        "See that the Dagster daemon and the sensors run: `rowline doctor`",
    ),
    "event_failed": (
        "what an event started failed",
        "{n} functions of events failed",
        "See the event's run for its payload, then send the event again under a new id",
    ),
}


@dataclass(frozen=True, slots=True)
class Places:
    """Where people look: addresses of the gateway and of the Dagster UI, where they are known."""

    gateway: str | None = None
    dagster: str | None = None


def notices_of(
    step: Step,
    alert_id: str,
    told: int,
    organization_id: str,
    targets: Iterable[Target],
    places: Places,
    window_minutes: float,
) -> list[NewNotification]:
    """One message for each target. Its key is of this telling of this alert, so it is sent once."""
    if step.deed == "grown":
        return []
    subject, message = text_of(step, places, window_minutes)
    about = step.fact.organizations if step.fact else ()
    count = step.fact.count if step.fact else 0
    return [
        NewNotification(
            organization_id,
            f"alert:{alert_id}:{step.deed}:{told}:{number}",
            target.channel,
            target.recipient,
            subject,
            message,
            {"alertId": alert_id, "kind": step.cause.kind, "state": step.deed, "count": count},
            about,
        )
        for number, target in enumerate(targets)
    ]


def text_of(step: Step, places: Places, window_minutes: float) -> tuple[str, str]:
    """Subject and message."""
    if step.deed == "recovered":
        return _recovered(step, window_minutes)
    assert step.fact is not None
    one, many, remedy = WORDS[step.cause.kind]
    fact = step.fact
    title = one if fact.count == 1 else many.format(n=fact.count)
    again: Mapping[Deed, str] = {"reminded": "still: "}
    lines = [f"Why: {fact.reason or step.cause.reason}"]
    if fact.what:
        more = f", and {fact.count - 1} more" if fact.count > 1 else ""
        owners = f" ({len(fact.organizations)} organizations)" if len(fact.organizations) > 1 else ""
        lines.insert(0, f"What: {fact.what} of {fact.organization_id}{more}{owners}")
    lines += [f"To do: {remedy}", *_links(step, places)]
    return f"{_sign(step.deed)} Rowline: {again.get(step.deed, '')}{title}"[:MOST_SUBJECT], _whole(lines)


def _recovered(step: Step, window_minutes: float) -> tuple[str, str]:
    assert step.alert is not None
    one, many, _ = WORDS[step.cause.kind]
    title = one if step.alert.count == 1 else many.format(n=step.alert.count)
    lines = [
        f"It was: {step.cause.reason}",
        f"Since {step.alert.opened_at:%Y-%m-%d %H:%M} UTC. Nothing of it stands any more: mended, or nothing new for "
        f"{window_minutes:g} minutes; what failed and was not tried again is still failed.",
    ]
    return f"✅ Rowline: over: {title}"[:MOST_SUBJECT], _whole(lines)


def _links(step: Step, places: Places) -> list[str]:
    fact = step.fact
    found = []
    if fact and places.gateway and step.cause.kind in ("document_failed", "document_errors", "run_died"):
        found.append(f"{places.gateway}/d/{fact.subject}")
    if fact and places.dagster:
        found.append(f"{places.dagster}/runs/{fact.run_id}" if fact.run_id else f"{places.dagster}/runs")
    return found


def _sign(deed: Deed) -> str:
    return "🔁" if deed == "reminded" else "🔴"


def _whole(lines: Iterable[str]) -> str:
    return "\n".join(one_line(storable(line)) for line in lines)[:MOST_MESSAGE]
