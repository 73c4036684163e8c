"""What an embedder is: the identity of its vector space, and one call from texts to vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    """What one answer of the service settles: a vector for each of these texts, or the reason why there is none.

    `positions` are those of the texts in the call; `vectors` is float32, C-contiguous, one row for each of them, all
    zero for a refused one (`refused`: position → reason). `tokens` is the usage the service billed since the answer
    before, `None` where nothing is billed or reported; `requests` were made since then, repeats included.
    """

    positions: Sequence[int]
    vectors: Vectors
    refused: dict[int, str]
    tokens: int | None
    requests: int


class Embedder(Protocol):
    """Turns texts into vectors of one space. Safe to call from several threads at once."""

    model: Model

    def answers(self, texts: Sequence[str]) -> Iterator[Embedded]:
        """Every text settled once, request by request: the next one is not sent before the caller asks for it.

        So a caller that keeps each answer before it goes on loses none that was paid for. Raises PermanentFailure or
        TransientFailure where a request failed; what was answered before is not affected.
        """
        ...

    def embed(self, texts: Sequence[str]) -> Embedded:
        """All texts at once, in their order: for a few, such as a question. Raises what `answers` raises."""
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


def joined(answers: Iterable[Embedded], count: int, dimension: int) -> Embedded:
    """The answers to one call of `count` texts as one, in the order of the texts."""
    import numpy as np

    vectors = np.zeros((count, dimension), dtype=np.float32)
    refused: dict[int, str] = {}
    tokens: int | None = None
    requests = 0
    for answer in answers:
        vectors[list(answer.positions)] = answer.vectors
        refused |= answer.refused
        tokens = tokens if answer.tokens is None else (tokens or 0) + answer.tokens
        requests += answer.requests
    return Embedded(range(count), vectors, dict(sorted(refused.items())), tokens, requests)
