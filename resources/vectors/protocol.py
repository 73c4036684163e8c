"""What Rowline needs of a vector store."""

from collections.abc import Iterator, Mapping, Sequence
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
    """Vectors by namespace and id, each of one model. Vectors of two models never meet in one query.

    Every call raises TransientFailure or PermanentFailure; none takes a failed read for an empty answer (law 8).
    """

    shared: bool
    """Whether other programs may keep vectors there: what the ledger has no word of is not ours to judge."""

    strongly_consistent: bool
    """Whether a read sees every earlier write. Where not, the ledger says what is stored, never the store."""

    upsert_batch_size: int
    """Vectors of one `upsert` at which the store is fastest: many in a database, few over a network."""

    @property
    def name(self) -> str:
        """Which store this is, such as `pinecone/` and the index's host: vectors in another one are not here."""
        ...

    def prepare(self, model: str, dimension: int) -> None:
        """Make sure that vectors of the model can be held. Raises WrongSetting; asked before anything is paid."""
        ...

    def missing(self, model: str, namespace: str, ids: Sequence[str]) -> list[str]:
        """Those of `ids` that the namespace does not hold; of a store that is not `consistent`, as it was lately."""
        ...

    def upsert(self, model: str, namespace: str, batch: VectorBatch) -> int | None:
        """Write vectors under their ids; the same id is replaced. Returns when all of them are acknowledged.

        Gives the position in the store's log that searches have to reach to see them; None where they do at once, or
        where the service tells no position.
        """
        ...

    def wait_until_visible(self, positions: Mapping[str, int], dimension: int) -> None:
        """Return when searches of each namespace have reached its position, so that a version can go live whole.

        Raises TransientFailure where that takes too long. `dimension`: of a vector that can be searched with.
        """
        ...

    def delete(self, model: str, namespace: str, ids: Sequence[str]) -> None:
        """Remove vectors; unknown ids are fine."""
        ...

    def id_pages(self, model: str, namespace: str) -> Iterator[list[str]]:
        """All ids of ours in the namespace in ascending order, in pages of bounded size; none is empty.

        A store that keeps models in one namespace may name ids of other models too: an id belongs to one model.
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
        """The nearest vectors by cosine, best first, over all `namespaces` together; only `among` these if given."""
        ...

    def models(self) -> list[str]:
        """The models whose ids `id_pages` tells apart; one, of any name, where it names those of all."""
        ...

    def namespaces(self) -> Iterator[str]:
        """Every namespace that holds something, each once."""
        ...

    def drop_namespace(self, namespace: str) -> None:
        """Remove a namespace with all that it holds, of every model; an unknown one is fine."""
        ...

    def close(self) -> None:
        """Give back connections. The store is not used afterwards."""
        ...
