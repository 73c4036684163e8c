"""Deletes vectors from the store that no retained version points at any more.

Which ones they are, `resources/ledger/documents/garbage_collection.py` finds.
"""

from dataclasses import dataclass

from resources.ledger.ledger import Ledger
from resources.vectors.protocol import VectorStore


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many vectors a sweep deleted, and from which namespaces."""

    vectors: int
    namespaces: list[str]


def sweep(ledger: Ledger, vectors: VectorStore, organization_id: str, document_id: str) -> Deleted:
    """Delete what only superseded versions of the document pointed at, and namespaces that nobody uses any more."""
    deleted, namespaces = 0, set()
    with ledger.garbage.collection_lock(organization_id):
        versions = ledger.garbage.mark(document_id)
        for page in ledger.garbage.superseded(document_id, versions):
            by_namespace: dict[tuple[str, str], list[str]] = {}
            for model, namespace, vector_id in page:
                by_namespace.setdefault((model, namespace), []).append(vector_id)
            for (model, namespace), ids in by_namespace.items():
                vectors.delete(model, namespace, ids)
                namespaces.add(namespace)
            deleted += len(page)
        for namespace in ledger.garbage.abandoned_namespaces(organization_id, document_id, versions):
            vectors.drop_namespace(namespace)
        ledger.garbage.finish(document_id, versions)
    return Deleted(deleted, sorted(namespaces))
