"""Messages about alerts: what happened, to what, why, what to do, and where to look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.notifications.alerts import AlertTransition, Kind, Transition
from domain.notifications.messages import MAX_MESSAGE_LENGTH, MAX_SUBJECT_LENGTH, NewNotification, one_line, storable
from domain.notifications.recipients import Target

# one subject, several subjects, what to do
WORDS: Mapping[Kind, tuple[str, str, str]] = {
    "document_failed": (
        "a document failed",
        "{n} documents failed for the same reason",
        "Remove the cause, then run `rowline retry DOC`; embeddings that were paid for are kept",
    ),
    "document_errors": (
        "a document has many error rows",
        "{n} documents have many error rows",
        "`rowline errors DOC` writes the sheet with the errors marked; correct it and upload it with --document",
    ),
    "run_died": (
        "a run died",
        "{n} runs died",
        "Look at the run in Dagster, and whether the machine ran out of memory; then run `rowline retry DOC`",
    ),
    "store_drift": (
        "ledger and vector store differ",
        "ledger and vector store differ",
        "Run `rowline sync-vectors --repair`; it embeds nothing, so it costs nothing",
    ),
    "queue_age": (
        "something waits too long",
        "{n} wait too long",
        "Check that the Dagster daemon and the sensors run: `rowline doctor`",
    ),
    "event_failed": (
        "what an event started failed",
        "{n} functions of events failed",
        "Look at the event's run for its payload, then send the event again under a new id",
    ),
}


@dataclass(frozen=True, slots=True)
class AlertLinks:
    """Addresses of the gateway and of the Dagster UI, if they are known."""

    gateway: str | None = None
    dagster: str | None = None


def build_notifications(
    step: AlertTransition,
    alert_id: str,
    notification_count: int,
    organization_id: str,
    targets: Iterable[Target],
    links: AlertLinks,
    window_minutes: float,
) -> list[NewNotification]:
    """One message for each target. Its key names the alert and its how-many-eth notification, so it is sent once."""
    if step.deed == "grown":
        return []
    subject, message = render_alert(step, links, window_minutes)
    about = step.fact.organizations if step.fact else ()
    count = step.fact.count if step.fact else 0
    return [
        NewNotification(
            organization_id,
            f"alert:{alert_id}:{step.deed}:{notification_count}:{index}",
            target.channel,
            target.recipient,
            subject,
            message,
            {"alertId": alert_id, "kind": step.cause.kind, "state": step.deed, "count": count},
            about,
        )
        for index, target in enumerate(targets)
    ]


def render_alert(step: AlertTransition, links: AlertLinks, window_minutes: float) -> tuple[str, str]:
    """Subject and message."""
    if step.deed == "recovered":
        return _recovered(step, window_minutes)
    assert step.fact is not None
    singular, plural, fix = WORDS[step.cause.kind]
    fact = step.fact
    title = singular if fact.count == 1 else plural.format(n=fact.count)
    again: Mapping[Transition, str] = {"reminded": "still: "}
    lines = [f"Why: {fact.reason or step.cause.reason}"]
    if fact.what:
        more = f", and {fact.count - 1} more" if fact.count > 1 else ""
        owners = f" ({len(fact.organizations)} organizations)" if len(fact.organizations) > 1 else ""
        lines.insert(0, f"What: {fact.what} of {fact.organization_id}{more}{owners}")
    lines += [f"To do: {fix}", *_links(step, links)]
    return f"{_sign(step.deed)} Rowline: {again.get(step.deed, '')}{title}"[:MAX_SUBJECT_LENGTH], _whole(lines)


def _recovered(step: AlertTransition, window_minutes: float) -> tuple[str, str]:
    assert step.alert is not None
    singular, plural, _ = WORDS[step.cause.kind]
    title = singular if step.alert.count == 1 else plural.format(n=step.alert.count)
    lines = [
        f"Cause: {step.cause.reason}",
        f"Open since {step.alert.opened_at:%Y-%m-%d %H:%M} UTC. It is corrected, or did not happen again for "
        f"{window_minutes:g} minutes; what failed and was not retried is still failed.",
    ]
    return f"✅ Rowline: over: {title}"[:MAX_SUBJECT_LENGTH], _whole(lines)


def _links(step: AlertTransition, links: AlertLinks) -> list[str]:
    fact = step.fact
    addresses = []
    if fact and links.gateway and step.cause.kind in ("document_failed", "document_errors", "run_died"):
        addresses.append(f"{links.gateway}/d/{fact.subject}")
    if fact and links.dagster:
        addresses.append(f"{links.dagster}/runs/{fact.run_id}" if fact.run_id else f"{links.dagster}/runs")
    return addresses


def _sign(deed: Transition) -> str:
    return "🔁" if deed == "reminded" else "🔴"


def _whole(lines: Iterable[str]) -> str:
    return "\n".join(one_line(storable(line)) for line in lines)[:MAX_MESSAGE_LENGTH]
