"""Orders of embeddings: looked at while the service works on them; a document whose orders are done goes on."""

import dagster as dg

from pipelines.failures import RowlineFailure
from resources.embedders.protocol import Embedder
from resources.ledger.ledger import Ledger

LOOKS = 20  # orders of one tick, which may take 60 s


@dg.sensor(
    description="Orders at the embedding service that documents wait for.",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def embedding_orders(
    context: dg.SensorEvaluationContext, ledger: dg.ResourceParam[Ledger], embedder: dg.ResourceParam[Embedder]
) -> dg.SkipReason:
    """Orders at the embedding service; their documents are put back into the queue, and their runs collect."""
    service = embedder.orders
    due = ledger.orders.due(LOOKS) if service else []
    ended = 0
    for order in due:
        try:
            assert service is not None
            assert order.service_id is not None  # due are placed ones
            done = service.state(order.service_id).ended
        except RowlineFailure as error:
            context.log.warning(f"{order.order_key}: {error}")  # says nothing about the order: looked at again later
            done = False
        if done:
            ledger.orders.settle(order, "ready")
            ended += 1
        else:
            ledger.orders.look_later(order)
    woken = ledger.orders.wake()
    return dg.SkipReason(f"{len(due)} orders looked at, {ended} have ended, {len(woken)} documents go on")
