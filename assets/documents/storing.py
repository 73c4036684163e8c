"""Between ledger and vector store: upserting what is missing, sweeping what nothing points at."""

from assets.documents.parallel import in_parallel
from pipelines.documents.vector_metadata import vector_metadata
from resources.ledger.documents import Version
from resources.ledger.ledger import Ledger
from resources.vectors.protocol import VectorBatch, VectorStore

PAGE = 500  # vectors of one upsert
WORKERS = 4  # upserts under way


def upsert_missing(ledger: Ledger, vectors: VectorStore, version: Version) -> int:
    """Bring every vector that the version points at and the store lacks into it; returns how many."""
    fields = version.template.rag_config.metadata_fields

    def upsert(place: tuple[str, list[str]]) -> int:
        namespace, page = place
        missing = vectors.missing(version.model, namespace, page)
        if missing:
            kept, matrix = ledger.embeddings.vectors(version, missing, with_source=bool(fields))
            metadata = [vector_metadata(version.document_id, vector, fields) for vector in kept]
            batch = VectorBatch([vector.vector_id for vector in kept], matrix, metadata)
            vectors.upsert(version.model, namespace, batch)
        return len(missing)

    return sum(in_parallel(upsert, ledger.lineage.vector_pages(version, PAGE), WORKERS))


def sweep(ledger: Ledger, vectors: VectorStore, version: Version) -> None:
    """Delete what only superseded versions of the document pointed at."""
    with ledger.lineage.sweeping(version.organization_id):
        for page in ledger.lineage.superseded(version.document_id):
            by_namespace: dict[tuple[str, str], list[str]] = {}
            for model, namespace, vector_id in page:
                by_namespace.setdefault((model, namespace), []).append(vector_id)
            for (model, namespace), ids in by_namespace.items():
                vectors.delete(model, namespace, ids)
        ledger.lineage.mark_swept(version.document_id)
