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
LOOK_SECONDS = 20.0
CLAIM_SECONDS = 10.0  # no message is taken in hand after them
LEAVE_SECONDS = 35.0  # what is still under way goes on by itself, and is settled all the same


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
    """Messages in the ledger's outbox; each is sent once, or it is known why not."""
    Delivery(ledger.outbox, channels, 0).settle_forsaken()
    if not ledger.outbox.is_due():
        ledger.outbox.wait_for_notification(LOOK_SECONDS)
    if not ledger.outbox.is_due():
        return dg.SkipReason("no message is due")
    delivery = Delivery(ledger.outbox, channels, CLAIM_SECONDS)
    if not in_background(delivery, LEAVE_SECONDS):
        delivery.troubles.append("a channel is slow; what is under way is finished in the background")
    for trouble in delivery.troubles:
        context.log.warning(trouble)
    told = ", ".join(f"{count} {state}" for state, count in sorted(delivery.ended.items()))
    return dg.SkipReason(f"messages: {told or 'none ended yet'}")


def in_background(delivery: Delivery, seconds: float) -> bool:
    """Run a round in a thread of its own; whether it ended in time."""

    def run() -> None:
        try:
            delivery.run()
        except RowlineError as error:
            delivery.troubles.append(str(error))

    thread = threading.Thread(target=run, name="outbox", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
