"""Removal of old events. The default changes nothing."""

import dagster as dg
from pydantic import Field

from assets.documents.step_context import RETRIES, retried
from resources.ledger.ledger import Ledger
from settings.settings import Settings


class ForgetConfig(dg.Config):
    """Nothing is deleted while `dry_run` is set."""

    dry_run: bool = Field(True, description="Count what would be removed; remove nothing.")


@dg.op(
    retry_policy=RETRIES,
    description="Events and notifications older than EVENT_RETENTION_DAYS of which nothing is in progress, removed.",
)
def forgotten_events(
    context: dg.OpExecutionContext,
    config: ForgetConfig,
    ledger: dg.ResourceParam[Ledger],
    settings: dg.ResourceParam[Settings],
) -> int:
    with retried():
        events = ledger.function_runs.forget(settings.event_retention_days, config.dry_run)
        messages = ledger.outbox.forget(settings.event_retention_days, config.dry_run)
    context.log.info(f"{events} events and {messages} messages {'would be' if config.dry_run else 'are'} removed")
    return events
