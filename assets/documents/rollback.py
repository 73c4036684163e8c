"""Going back to an older version: a move of the ref, and what the older tree needs, from kept embeddings."""

from dataclasses import dataclass

from assets.documents.storing import sweep, upsert_missing
from resources.ledger.documents import Version
from resources.ledger.ledger import Ledger
from resources.vectors.protocol import VectorStore


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What going back took: no text is embedded."""

    version: Version
    left: int | None
    vectors_restored: int
    vectors_deleted: int


def roll_back(ledger: Ledger, vectors: VectorStore, document_id: str, to_version: int) -> RolledBack:
    """Make an older version live again (or a newer one that was rolled back). Doing it again after a crash ends it.

    The order is that of the graph: what the version needs is in the store before the flip, what it does not need is
    swept after it. Raises Misuse for a version that cannot be gone back to (`Live.aim`).
    """
    with ledger.documents.claim(document_id):
        version = ledger.live.aim(document_id, to_version)
        vectors.prepare(version.model, version.dimension)
        ledger.sweeps.wait(version.organization_id)
        restored = upsert_missing(ledger, vectors, version)
        ledger.live.go_back(version)
        swept = sweep(ledger, vectors, version.organization_id, document_id)
    return RolledBack(ledger.documents.at(document_id, to_version), version.live_version, restored, swept.vectors)
