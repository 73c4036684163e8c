"""What an embedder is: the identity of its vector space, and one call from texts to vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from domain.errors import ErrorCode, PermanentError

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
class EmbeddingResult:
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


@dataclass(frozen=True, slots=True)
class JobResult:
    """An input of an order that was worked on: its name, its vector of shape (dimension,), its billed tokens."""

    name: str
    vector: Vectors
    tokens: int


@dataclass(frozen=True, slots=True)
class JobState:
    """Where an order stands at the service. `refused`: why it was not worked on, or not to its end."""

    ended: bool
    refused: str | None = None
    output: str | None = None


class ResultExpired(PermanentError):
    """What the service made of an order is not there any more."""

    code = ErrorCode.EMBEDDING_RESULT_EXPIRED


class EmbeddingJobService(Protocol):
    """A service that works on many texts in its own time, at a lower price. Its methods raise what `answers` raises."""

    def submit(self, order_key: str, since: datetime, texts: Callable[[], Iterable[tuple[str, str]]]) -> str | None:
        """Hands over (name, text) pairs; gives the service's name for the order, `None` where there are no texts.

        Placing twice is placing once: an order of this key that was placed after `since` is found, not repeated.
        """
        ...

    def state(self, service_id: str) -> JobState:
        """Where an order stands now."""
        ...

    def results(self, state: JobState) -> Iterator[JobResult]:
        """What was worked on, in any order; inputs that were refused, not reached or answered unusably are left out.

        All requests are made before it returns. Raises ResultExpired where the service has nothing to give any more.
        """
        ...

    def cancel(self, order_key: str, since: datetime, service_id: str | None) -> bool:
        """Ends an order that is under way, and deletes its texts there and what was made of them.

        Gives whether nothing is left there; where the service takes a while to end it, ask again later. An order that
        was perhaps placed (`service_id` None) is looked for by its key. Doing it twice is doing it once.
        """
        ...


class Embedder(Protocol):
    """Turns texts into vectors of one space. Safe to call from several threads at once."""

    model: Model

    @property
    def jobs(self) -> EmbeddingJobService | None:
        """For texts that may wait; `None` where the service has no such thing."""
        ...

    def embed_batches(self, texts: Sequence[str]) -> Iterator[EmbeddingResult]:
        """Every text settled once, request by request: the next one is not sent before the caller asks for it.

        So a caller that keeps each answer before it goes on loses none that was paid for. Raises PermanentError or
        TransientFailure where a request failed; what was answered before is not affected. To try again what is
        transient costs nothing, or one lost answer: where two were lost, the failure is permanent.
        """
        ...

    def embed(self, texts: Sequence[str]) -> EmbeddingResult:
        """All texts at once, in their order: for a few, such as a question, with somebody who waits for it.

        Raises what `answers` raises, but TransientFailure after some twenty seconds at the latest.
        """
        ...

    def price_per_million_tokens(self) -> float | None:
        """US dollars; 0 where nothing is billed, `None` where the price is not known."""
        ...

    def close(self) -> None:
        """Gives back connections. The embedder is not used afterwards."""
        ...


def joined(answers: Iterable[EmbeddingResult], count: int, dimension: int) -> EmbeddingResult:
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
    return EmbeddingResult(range(count), vectors, dict(sorted(refused.items())), tokens, requests)


def stacked(vectors: Sequence[Vectors]) -> Vectors:
    """Vectors of shape (dimension,) as one matrix."""
    import numpy as np

    return np.stack(vectors)
