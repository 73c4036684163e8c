"""What only the store in PostgreSQL does."""

from __future__ import annotations

import numpy as np

from resources.vectors.pgvector import PgVectorStore
from resources.vectors.protocol import VectorBatch
from tests.resources.vectors.test_vector_store import MODEL, OTHER_MODEL, A, B, batch, ids_of, scores


def test_models_have_dimensions_of_their_own_and_may_share_ids(pgvector: PgVectorStore):
    pgvector.upsert(MODEL, "ns", batch(A))
    pgvector.upsert(OTHER_MODEL, "ns", VectorBatch([A, B], np.eye(2, 5, dtype=np.float32), [{}, {}]))
    assert scores(pgvector, (1.0, 0.0, 0.0)) == [(A, 1.0)]
    assert ids_of(pgvector, MODEL) == [A]
    pgvector.delete(MODEL, "ns", [A, B])
    assert ids_of(pgvector, OTHER_MODEL) == [A, B]
