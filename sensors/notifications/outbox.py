"""The outbox: waits on the ledger for a message that is due, and sends it within a second."""

import threading
from collections.abc import Mapping

import dagster as dg

from domain.errors import RowlineError
from domain.notifications.messages import Channel
from operations.notifications.delivery import Delivery
from resources.ledger.ledger import Ledger
from resources.notifications.channels import NotificationChannel

# a tick may take 60 s
MAX_WAIT_SECONDS = 20.0
CLAIM_SECONDS = 10.0  # no message is claimed after them
LEAVE_SECONDS = 35.0  # what is still being sent is finished in the background, and recorded all the same


@dg.sensor(
    description="Messages to people and apps that are due.",
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def outbox(
    context: dg.SensorEvaluationContext,
    ledger: dg.ResourceParam[Ledger],
    channels: dg.ResourceParam[Mapping[Channel, NotificationChannel]],
) -> dg.SkipReason:
    """Messages in the ledger's outbox; each is sent once, or the reason is recorded."""
    Delivery(ledger.outbox, channels, 0).fail_orphaned()
    if not ledger.outbox.is_due():
        ledger.outbox.wait_for_notification(MAX_WAIT_SECONDS)
    if not ledger.outbox.is_due():
        return dg.SkipReason("no message is due")
    delivery = Delivery(ledger.outbox, channels, CLAIM_SECONDS)
    if not in_background(delivery, LEAVE_SECONDS):
        delivery.errors.append("a channel is slow; what is being sent is finished in the background")
    for error in delivery.errors:
        context.log.warning(error)
    summary = ", ".join(f"{count} {state}" for state, count in sorted(delivery.ended.items()))
    return dg.SkipReason(f"messages: {summary or 'none ended yet'}")


def in_background(delivery: Delivery, seconds: float) -> bool:
    """Run a round in a thread of its own; returns whether it ended in time."""

    def run() -> None:
        try:
            delivery.run()
        except RowlineError as error:
            delivery.errors.append(str(error))

    thread = threading.Thread(target=run, name="outbox", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
