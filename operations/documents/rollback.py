"""Going back to an older version: a move of the ref, and what the older tree needs, from kept embeddings."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pydantic.alias_generators import to_camel

from operations.documents.indexing import sweep, upsert_missing
from resources.ledger.ledger import Ledger
from resources.vectors.protocol import VectorStore


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What going back took: no text is embedded."""

    document_id: str
    version: int
    rolled_back_from: int | None
    vectors_restored: int
    vectors_deleted: int
    live_after_ms: int  # searches show the version from then on; what it no longer needs is swept after that
    embedded_inputs: int = 0

    def as_json(self) -> dict[str, Any]:
        return {to_camel(name): value for name, value in asdict(self).items()}


def roll_back(
    ledger: Ledger,
    vectors: VectorStore,
    document_id: str,
    to_version: int,
    clock: Callable[[], float] = time.monotonic,
) -> RolledBack:
    """Make an older version live again (or a newer one that was rolled back). Doing it again after a crash ends it.

    The order is that of the graph: what the version needs is in the store before the flip, what it does not need is
    swept after it. Raises Misuse for a version that cannot be gone back to (`Live.aim`).
    """
    begun = clock()
    ledger.live_versions.check_rollback(
        document_id, to_version
    )  # the claim is held by a run as long as a document takes
    with ledger.documents.claim(document_id):
        version = ledger.live_versions.set_rollback_target(document_id, to_version)
        vectors.prepare(version.model, version.dimension)
        ledger.garbage.wait(version.organization_id)
        restored = upsert_missing(ledger, vectors, version)
        ledger.live_versions.switch(version)
        live_after_ms = round((clock() - begun) * 1000)
        swept = sweep(ledger, vectors, version.organization_id, document_id)
    return RolledBack(document_id, to_version, version.live_version, restored, swept.vectors, live_after_ms)
