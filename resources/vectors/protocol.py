"""What Rowline needs of a vector store."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class VectorBatch:
    """Vectors to upsert into a namespace: ids, a float32 matrix of shape (len(ids), dimension), metadata."""

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
    """Vectors by namespace and id, each of one model. Vectors of two models never meet in one query.

    Every call raises TransientError or PermanentError; a failed read is never an empty result.
    """

    shared: bool
    """Whether other programs may store vectors there: vectors that the ledger does not know are then left alone."""

    strongly_consistent: bool
    """Whether a read sees every earlier write. If not, only the ledger says what is stored, never the store."""

    upsert_batch_size: int
    """Vectors of one `upsert` at which the store is fastest: many in a database, few over a network."""

    @property
    def name(self) -> str:
        """The identity of the store, such as `pinecone/` and the index's host: two names are two stores."""
        ...

    def prepare(self, model: str, dimension: int) -> None:
        """Check that the store can hold vectors of the model, before anything is paid. Raises ConfigurationError."""
        ...

    def missing(self, model: str, namespace: str, ids: Sequence[str]) -> list[str]:
        """Those of `ids` that the namespace does not hold.

        A store that is not `strongly_consistent` may answer from the past.
        """
        ...

    def upsert(self, model: str, namespace: str, batch: VectorBatch) -> int | None:
        """Write vectors under their ids; the same id is replaced. Returns when all of them are acknowledged.

        Returns the position in the store's log that searches have to reach to see them; None if they see them at once,
        or if the service reports no position.
        """
        ...

    def wait_until_visible(self, positions: Mapping[str, int], dimension: int) -> None:
        """Return when searches of each namespace have reached its position, so that a version goes live complete.

        Raises TransientError if that takes too long. `dimension`: of a vector to search with.
        """
        ...

    def delete(self, model: str, namespace: str, ids: Sequence[str]) -> None:
        """Remove vectors; unknown ids are fine."""
        ...

    def id_pages(self, model: str, namespace: str) -> Iterator[list[str]]:
        """All ids of ours in the namespace in ascending order, in pages of bounded size; none is empty.

        A store that mixes models in a namespace may yield ids of other models too; an id belongs to one model.
        """
        ...

    def query(
        self,
        model: str,
        namespaces: Sequence[str],
        vector: "np.ndarray",
        top_k: int,
        among: Sequence[str] | None = None,
    ) -> list[Match]:
        """The nearest vectors by cosine, best first, over all `namespaces` together.

        Only those whose id is in `among`, if given.
        """
        ...

    def models(self) -> list[str]:
        """The models whose ids `id_pages` distinguishes; one, of any name, if it yields those of all models."""
        ...

    def namespaces(self) -> Iterator[str]:
        """Every namespace that holds something, each once."""
        ...

    def drop_namespace(self, namespace: str) -> None:
        """Remove a namespace with all that it holds, of every model; an unknown one is fine."""
        ...

    def close(self) -> None:
        """Close connections. The store must not be used afterwards."""
        ...
