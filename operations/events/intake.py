"""The one way in for events, over HTTP, by command and from our own pages: read, checked, identified, stored."""

import json
import os
import time
from collections.abc import Callable
from typing import Any

from domain.events.acceptance import accept_events
from domain.events.ids import mint_seed, read_seed
from domain.events.parsing import read_events
from resources.ledger.documents.documents import Version
from resources.ledger.ledger import Ledger


def ingest_events(
    ledger: Ledger,
    organization_id: str,
    body: bytes,
    seed: str | None = None,
    clock: Callable[[], float] = time.time,
    random: Callable[[int], bytes] = os.urandom,
) -> list[str]:
    """Store the events of a request's body; returns their ids.

    Raises InvalidRequest for a body that is no list of events, TransientError if they may not be stored.
    """
    events = read_events(body)
    ids = read_seed(seed) or mint_seed(clock(), random(10))
    return ledger.events.take(organization_id, accept_events(events, organization_id, ids))


def ingest_document_event(ledger: Ledger, version: Version, name: str, **data: Any) -> str:
    """Store an event about a document, as an app would send it; returns its id."""
    event = {"name": name, "data": {"documentId": version.document_id, **data}}
    (event_id,) = ingest_events(ledger, version.organization_id, json.dumps(event).encode())
    return event_id
