"""Rollback to an older version: requested, carried out.

The live version moves, and what the older one needs is restored from stored embeddings: nothing is embedded.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pydantic.alias_generators import to_camel

from operations.documents.garbage_collection import sweep
from operations.documents.indexing import upsert_missing
from operations.events.intake import ingest_document_event
from resources.ledger.documents.documents import Version
from resources.ledger.ledger import Ledger
from resources.vectors.protocol import VectorStore


@dataclass(frozen=True, slots=True)
class RollbackReport:
    """What a rollback did."""

    document_id: str
    version: int
    rolled_back_from: int | None
    vectors_restored: int
    vectors_deleted: int
    live_after_ms: int  # searches show the version from then on; what it no longer needs is swept after that
    embedded_inputs: int = 0

    def as_json(self) -> dict[str, Any]:
        return {to_camel(name): value for name, value in asdict(self).items()}


def request_rollback(ledger: Ledger, version: Version, to_version: int) -> str:
    """Have a run roll the document back; returns the id of the event that starts the run.

    The request is stored as the event that an app would send, so that it survives a crash.
    Raises InvalidRequest or Conflict for a version that cannot be gone back to (`LiveVersions.check_rollback`).
    """
    ledger.live_versions.check_rollback(version.document_id, to_version)
    return ingest_document_event(ledger, version, "document/rollback", targetVersion=to_version)


def roll_back(
    ledger: Ledger,
    vectors: VectorStore,
    document_id: str,
    to_version: int,
    clock: Callable[[], float] = time.monotonic,
) -> RollbackReport:
    """Make an older version live again (or a newer one that was rolled back). Repeated after a crash, it finishes.

    The order is that of the graph: what the version needs is in the store before it goes live, what it does not need is
    swept after that. Raises InvalidRequest for a version that cannot be gone back to
    (`LiveVersions.set_rollback_target`).
    """
    started_at = clock()
    # refused before the claim is waited for, which a run holds as long as the document takes
    ledger.live_versions.check_rollback(document_id, to_version)
    with ledger.documents.claim(document_id):
        version = ledger.live_versions.set_rollback_target(document_id, to_version)
        vectors.prepare(version.model, version.dimension)
        ledger.garbage.wait(version.organization_id)
        restored = upsert_missing(ledger, vectors, version)
        ledger.live_versions.switch(version)
        live_after_ms = round((clock() - started_at) * 1000)
        swept = sweep(ledger, vectors, version.organization_id, document_id)
    return RollbackReport(document_id, to_version, version.live_version, restored, swept.vectors, live_after_ms)
