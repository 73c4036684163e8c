"""The protocol of an embedder: the identity of its vector space, and one call from texts to vectors."""

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
    """The result of one response of the service: a vector for each of these texts, or the reason why there is none.

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
    """A processed input of a job: its name, its vector of shape (dimension,), its billed tokens."""

    name: str
    vector: Vectors
    tokens: int


@dataclass(frozen=True, slots=True)
class JobState:
    """The state of a job at the service. `refused`: why it was not processed, or not completely."""

    ended: bool
    refused: str | None = None
    output: str | None = None


class ResultExpired(PermanentError):
    """The results of a job no longer exist at the service."""

    code = ErrorCode.EMBEDDING_RESULT_EXPIRED


class EmbeddingJobService(Protocol):
    """A service that embeds many texts in its own time, at a lower price.

    Raises what `Embedder.embed_batches` raises.
    """

    def submit(self, job_key: str, since: datetime, texts: Callable[[], Iterable[tuple[str, str]]]) -> str | None:
        """Submits (name, text) pairs; returns the service's id of the job, `None` if there are no texts.

        Idempotent: a job of this key that was submitted after `since` is found, not repeated.
        """
        ...

    def state(self, service_id: str) -> JobState:
        """The current state of a job."""
        ...

    def results(self, state: JobState) -> Iterator[JobResult]:
        """The processed inputs, in any order; inputs that were rejected, not reached or answered unusably are left out.

        All requests are made before it returns. Raises ResultExpired if the service no longer has the results.
        """
        ...

    def cancel(self, job_key: str, since: datetime, service_id: str | None) -> bool:
        """Cancels a running job, and deletes its texts and its results at the service.

        Returns whether nothing is left there; if the service needs a while to cancel it, call again later. A job that
        was perhaps submitted (`service_id` None) is searched by its key. Idempotent.
        """
        ...


class Embedder(Protocol):
    """Turns texts into vectors of one space. Safe to call from several threads at once."""

    model: Model

    @property
    def jobs(self) -> EmbeddingJobService | None:
        """The service for texts that may wait; `None` if there is none."""
        ...

    def embed_batches(self, texts: Sequence[str]) -> Iterator[EmbeddingResult]:
        """One result per request, each text in exactly one; the next request is not sent before the caller asks for it.

        So a caller that stores each result before it continues loses none that was paid for. Raises PermanentError or
        TransientError if a request failed; earlier results are not affected. Retrying a transient error costs nothing,
        or one lost response: if two were lost, the error is permanent.
        """
        ...

    def embed(self, texts: Sequence[str]) -> EmbeddingResult:
        """All texts at once, in their order: for a few, such as a question that somebody waits for.

        Raises what `embed_batches` raises, but TransientError after some twenty seconds at the latest.
        """
        ...

    def price_per_million_tokens(self) -> float | None:
        """US dollars; 0 if nothing is billed, `None` if the price is not known."""
        ...

    def close(self) -> None:
        """Closes connections. The embedder must not be used afterwards."""
        ...


def merge_results(results: Iterable[EmbeddingResult], count: int, dimension: int) -> EmbeddingResult:
    """The results for `count` texts as one, in the order of the texts."""
    import numpy as np

    vectors = np.zeros((count, dimension), dtype=np.float32)
    refused: dict[int, str] = {}
    tokens: int | None = None
    requests = 0
    for result in results:
        vectors[list(result.positions)] = result.vectors
        refused |= result.refused
        tokens = tokens if result.tokens is None else (tokens or 0) + result.tokens
        requests += result.requests
    return EmbeddingResult(range(count), vectors, dict(sorted(refused.items())), tokens, requests)


def stack_vectors(vectors: Sequence[Vectors]) -> Vectors:
    """Vectors of shape (dimension,) as one matrix."""
    import numpy as np

    return np.stack(vectors)
