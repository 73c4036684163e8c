"""What Rowline needs of a vector store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class VectorBatch:
    """Vectors on their way into a namespace: ids, a float32 matrix of shape (len(ids), dimension), metadata (B7)."""

    ids: Sequence[str]
    matrix: "np.ndarray"
    metadata: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Match:
    """One hit of a query; `score` is the cosine similarity, 1 for the same direction."""

    vector_id: str
    namespace: str
    score: float


class VectorStore(Protocol):
    """Vectors by (model, namespace, id). Vectors of two models never meet in one query.

    Every call raises TransientFailure or PermanentFailure; none takes a failed read for an empty answer (law 8).
    """

    def missing(self, model: str, namespace: str, ids: Sequence[str]) -> list[str]:
        """Those of `ids` that the namespace does not hold."""
        ...

    def upsert(self, model: str, namespace: str, batch: VectorBatch) -> None:
        """Write vectors under their ids; the same id is replaced."""
        ...

    def delete(self, model: str, namespace: str, ids: Sequence[str]) -> int:
        """Remove vectors; unknown ids are fine. Returns how many were there, as far as the service tells."""
        ...

    def ids(self, model: str, namespace: str, after: str | None, limit: int) -> list[str]:
        """A page of ids in ascending order, those greater than `after`."""
        ...

    def query(
        self,
        model: str,
        namespaces: Sequence[str],
        vector: "np.ndarray",
        top_k: int,
        among: Sequence[str] | None = None,
    ) -> list[Match]:
        """The nearest vectors by cosine, best first, over all `namespaces` together; only `among` these if given."""
        ...
