"""Between ledger and vector store: upserting what is missing, sweeping what nothing points at."""

from domain.documents.vector_metadata import vector_metadata
from domain.errors import PermanentError
from resources.ledger.documents.documents import Version
from resources.ledger.ledger import Ledger
from resources.parallel import map_in_parallel
from resources.vectors.protocol import VectorBatch, VectorStore

WORKERS = 4  # upserts under way


def upsert_missing(ledger: Ledger, vectors: VectorStore, version: Version) -> int:
    """Bring every vector that the version points at and the store lacks into it; returns how many.

    Returns when searches see them, so that a version that goes live next is whole. A store that is not
    consistent is never asked what it holds: the ledger knows what was acknowledged before.
    """

    def upsert(part: tuple[str, list[str]]) -> tuple[str, int, int | None]:
        namespace, page = part
        missing = vectors.missing(version.model, namespace, page) if vectors.strongly_consistent else page
        return namespace, len(missing), upsert_vectors(ledger, vectors, version, namespace, missing)

    lineage = ledger.lineage
    consistent = vectors.strongly_consistent
    size = vectors.upsert_batch_size
    pages = lineage.vector_pages(version, size) if consistent else lineage.unstored_pages(version, vectors.name, size)
    upserted, pending = 0, lineage.pending_positions(version, vectors.name)  # an earlier attempt may still be waiting
    for namespace, count, position in map_in_parallel(upsert, pages, WORKERS):
        upserted += count
        if position is not None:
            pending[namespace] = max(position, pending.get(namespace, position))
    lineage.mark_stored(version, vectors.name, pending)  # recorded first: a later attempt sends nothing again
    if pending:
        vectors.wait_until_visible(pending, version.dimension)
        lineage.mark_stored(version, vectors.name, {})
    return upserted


def upsert_vectors(
    ledger: Ledger, vectors: VectorStore, version: Version, namespace: str, ids: list[str]
) -> int | None:
    """Vectors of a version into the store, from stored embeddings; returns the position to wait for (`upsert`).

    Raises PermanentError if an embedding is not stored any more.
    """
    if not ids:
        return None
    fields = version.template.rag_config.metadata_fields
    stored, matrix = ledger.embeddings.vectors(version, ids, with_source=bool(fields))
    if len(stored) < len(ids):
        raise PermanentError(
            f"{len(ids) - len(stored)} embeddings of version {version.version} of {version.document_id} are no longer "
            "kept; upload its file again with --document"
        )
    metadata = [vector_metadata(version.document_id, vector, fields) for vector in stored]
    return vectors.upsert(
        version.model, namespace, VectorBatch([vector.vector_id for vector in stored], matrix, metadata)
    )
