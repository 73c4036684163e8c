"""Alerts: failures are grouped by cause; one when it appears, reminders while it lasts, one when it is resolved."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import dagster as dg

from domain.notifications.alert_messages import AlertLinks, build_notifications
from domain.notifications.alerts import KINDS, AlertTransition, Kind, OpenAlert, decide_transitions
from domain.notifications.fingerprints import Incident, group_by_cause
from domain.notifications.messages import NewNotification
from resources.ledger.ledger import Ledger
from resources.ledger.notifications.alerts import Watch
from resources.ledger.notifications.outbox import mint_notification_id
from settings.settings import Settings

STORE = dg.AssetCheckKey(dg.AssetKey("vector_store"), "store_matches_ledger")


@dg.sensor(
    description="Causes of failures that are worth an alert, and those that are resolved.",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def alerts(
    context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger], settings: dg.ResourceParam[Settings]
) -> dg.SkipReason:
    """Causes of failures; one alert for each when it appears, reminders while it lasts, and one when it is resolved."""
    if not settings.alert_targets:
        return dg.SkipReason("ALERT_CHANNELS names nobody")
    kinds = [kind for kind in KINDS if kind in settings.enabled_alert_kinds]
    failures = [
        *ledger.alerts.problems(watch_of(settings)),
        *(store_drift(context.instance) if "store_drift" in kinds else ()),
    ]
    alert_steps = ledger.alerts.decide(
        partial(decide, failures, kinds, settings),
        partial(write_notifications, settings),
        mint_notification_id,
    )
    counts = Counter(step.deed for step in alert_steps)
    return dg.SkipReason(", ".join(f"{count} {deed}" for deed, count in sorted(counts.items())) or "nothing new")


def watch_of(settings: Settings) -> Watch:
    return Watch(
        timedelta(minutes=settings.alert_window_minutes),
        settings.alert_error_share,
        timedelta(minutes=settings.alert_queue_minutes),
    )


def decide(
    failures: Sequence[Incident], kinds: Sequence[Kind], settings: Settings, alerts: Sequence[OpenAlert], now: datetime
) -> Sequence[AlertTransition]:
    reminder = timedelta(hours=settings.alert_reminder_hours)
    facts = group_by_cause(failure for failure in failures if failure.kind in kinds)
    return decide_transitions(alerts, facts, kinds, settings.alert_threshold, reminder, now)


def write_notifications(
    settings: Settings, step: AlertTransition, alert_id: str, count: int
) -> Sequence[NewNotification]:
    places = AlertLinks(settings.public_url, settings.dagster_url)
    return build_notifications(
        step,
        alert_id,
        count,
        settings.default_organization,
        settings.alert_targets,
        places,
        settings.alert_window_minutes,
    )


def store_drift(instance: dg.DagsterInstance) -> list[Incident]:
    """What the latest comparison of ledger and store found; nothing before the first one."""
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key([STORE]).get(STORE)
    event = newest.event.dagster_event if newest and newest.event else None
    if event is None:
        return []
    evaluation = event.asset_check_evaluation_data
    if evaluation.passed:
        return []
    return [Incident("store_drift", "", "vector_store", "", evaluation.description or "ledger and store differ")]
