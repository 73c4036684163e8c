"""The real service under the contract, when asked for: namespaces of its own, and time for writes to be seen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from uuid import uuid4

import numpy as np

from resources.vectors.pinecone.store import PineconeVectorStore
from resources.vectors.protocol import Match, VectorBatch

SEEN_AFTER = 20.0  # seconds after which a write is taken for visible; the contract reads what it wrote


class RealPinecone:
    """The body of `VectorStore`, with every namespace behind a random prefix and every vector filled up with zeros.

    The contract's vectors have three numbers, the index as many as the team's model gives: cosine does not change.
    """

    strongly_consistent = False
    name = "real_pinecone"

    def __init__(self, api_key: str, index: str) -> None:
        self._store = PineconeVectorStore(api_key, index)
        self._prefix = f"contract-{uuid4().hex}-"
        self._dimension = self._store._connection.shape().dimension or 0

    def prepare(self, model: str, dimension: int) -> None:
        self._store.prepare(model, self._dimension)

    def missing(self, model: str, namespace: str, ids: Sequence[str]) -> list[str]:
        return self._store.missing(model, self._prefix + namespace, ids)

    def upsert(self, model: str, namespace: str, batch: VectorBatch) -> None:
        filled = VectorBatch(batch.ids, self._filled(batch.matrix), batch.metadata)
        self._store.upsert(model, self._prefix + namespace, filled)
        time.sleep(SEEN_AFTER)

    def delete(self, model: str, namespace: str, ids: Sequence[str]) -> None:
        self._store.delete(model, self._prefix + namespace, ids)
        time.sleep(SEEN_AFTER)

    def id_pages(self, model: str, namespace: str) -> Iterator[list[str]]:
        return self._store.id_pages(model, self._prefix + namespace)

    def query(
        self,
        model: str,
        namespaces: Sequence[str],
        vector: np.ndarray,
        top_k: int,
        among: Sequence[str] | None = None,
    ) -> list[Match]:
        named = [self._prefix + namespace for namespace in namespaces]
        found = self._store.query(model, named, self._filled(vector[None])[0], top_k, among)
        return [Match(match.vector_id, match.namespace.removeprefix(self._prefix), match.score) for match in found]

    def models(self) -> list[str]:
        return self._store.models()

    def namespaces(self) -> Iterator[str]:
        return (name.removeprefix(self._prefix) for name in self._store.namespaces() if name.startswith(self._prefix))

    def drop_namespace(self, namespace: str) -> None:
        self._store.drop_namespace(self._prefix + namespace)
        time.sleep(SEEN_AFTER)

    def clean_up(self) -> None:
        """Removes every namespace that the case made, and closes the connections."""
        for namespace in list(self.namespaces()):
            self._store.drop_namespace(self._prefix + namespace)
        self.close()

    def close(self) -> None:
        self._store.close()

    def _filled(self, matrix: np.ndarray) -> np.ndarray:
        return np.pad(matrix, ((0, 0), (0, self._dimension - matrix.shape[1])))
