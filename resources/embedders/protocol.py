"""What an embedder is: the identity of its vector space, and one call from texts to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Model:
    """Identity of a vector space; vectors of two different ones are never compared or mixed."""

    provider: str
    name: str
    dimension: int

    @property
    def key(self) -> str:
        """The identity as one word, such as `openai/text-embedding-3-small/1536`."""
        return f"{self.provider}/{self.name}/{self.dimension}"


@dataclass(frozen=True, slots=True)
class Embedded:
    """The answer to one call: a vector for every input, in order, or the reason why there is none.

    `vectors` is float32, C-contiguous, one row per input; the row of a refused input is all zero.
    `tokens` is the usage the service billed, `None` where nothing is billed or reported.
    """

    vectors: Vectors
    refused: dict[int, str]
    tokens: int | None
    requests: int


class Embedder(Protocol):
    """Turns texts into vectors of one space. Safe to call from several threads at once."""

    model: Model

    def embed(self, texts: Sequence[str]) -> Embedded:
        """Vectors in the order of the texts. Raises PermanentFailure or TransientFailure for the call as a whole."""
        ...

    def estimate_tokens(self, texts: Sequence[str]) -> int:
        """Tokens these texts will cost, roughly and without a network (see `inputs.rough_tokens`)."""
        ...

    def price_per_million_tokens(self) -> float | None:
        """US dollars; 0 where nothing is billed, `None` where the price is not known."""
        ...

    def close(self) -> None:
        """Gives back connections. The embedder is not used afterwards."""
        ...
