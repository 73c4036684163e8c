"""Alerts: causes that came, stayed or went are told, each as one."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import dagster as dg

from domain.notifications.alert_messages import Places, notices_of
from domain.notifications.alerts import KINDS, Kind, Open, Step, steps
from domain.notifications.fingerprints import Trouble, gathered
from domain.notifications.messages import NewNotification
from resources.ledger.ledger import Ledger
from resources.ledger.notifications.alerts import Watch
from resources.ledger.notifications.outbox import mint_notification_id
from settings.settings import Settings

STORE = dg.AssetCheckKey(dg.AssetKey("vector_store"), "store_matches_ledger")


@dg.sensor(
    description="Causes of failures that are worth an alert, and those that are gone.",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def alerts(
    context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger], settings: dg.ResourceParam[Settings]
) -> dg.SkipReason:
    """Causes of failures; each is told once, told again while it lasts, and told when it is gone."""
    if not settings.alert_targets:
        return dg.SkipReason("ALERT_CHANNELS names nobody")
    looked_at = [kind for kind in KINDS if kind in settings.alert_kinds]
    troubles = [
        *ledger.alerts.problems(watch_of(settings)),
        *(drifts(context.instance) if "store_drift" in looked_at else ()),
    ]
    told = ledger.alerts.decide(
        partial(decided, troubles, looked_at, settings),
        partial(telling, settings),
        mint_notification_id,
    )
    deeds = Counter(step.deed for step in told)
    return dg.SkipReason(", ".join(f"{count} {deed}" for deed, count in sorted(deeds.items())) or "nothing new")


def watch_of(settings: Settings) -> Watch:
    return Watch(
        timedelta(minutes=settings.alert_window_minutes),
        settings.alert_error_share,
        timedelta(minutes=settings.alert_queue_minutes),
    )


def decided(
    troubles: Sequence[Trouble], looked_at: Sequence[Kind], settings: Settings, alerts: Sequence[Open], now: datetime
) -> Sequence[Step]:
    reminder = timedelta(hours=settings.alert_reminder_hours)
    facts = gathered(trouble for trouble in troubles if trouble.kind in looked_at)
    return steps(alerts, facts, looked_at, settings.alert_threshold, reminder, now)


def telling(settings: Settings, step: Step, alert_id: str, told: int) -> Sequence[NewNotification]:
    places = Places(settings.public_url, settings.dagster_url)
    return notices_of(
        step,
        alert_id,
        told,
        settings.default_organization,
        settings.alert_targets,
        places,
        settings.alert_window_minutes,
    )


def drifts(instance: dg.DagsterInstance) -> list[Trouble]:
    """What the newest comparison of ledger and store found; nothing before the first one."""
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key([STORE]).get(STORE)
    event = newest.event.dagster_event if newest and newest.event else None
    if event is None:
        return []
    found = event.asset_check_evaluation_data
    if found.passed:
        return []
    return [Trouble("store_drift", "", "vector_store", "", found.description or "ledger and store differ")]
