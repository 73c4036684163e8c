"""The one way in for events, over HTTP and by command: read, checked, identified, kept."""

import os
import time
from collections.abc import Callable

from domain.events.acceptance import accept_events
from domain.events.ids import mint_seed, read_seed
from domain.events.parsing import read_events
from operations.services import Services


def ingest_events(
    services: Services,
    organization_id: str,
    body: bytes,
    seed: str | None = None,
    clock: Callable[[], float] = time.time,
    random: Callable[[int], bytes] = os.urandom,
) -> list[str]:
    """Keep the events of a request's body; their ids. Raises Misuse, or TransientFailure where they may not be kept."""
    events = read_events(body)
    ids = read_seed(seed) or mint_seed(clock(), random(10))
    return services.ledger.events.take(organization_id, accept_events(events, organization_id, ids))
