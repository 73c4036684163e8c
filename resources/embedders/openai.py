"""Embeddings from OpenAI or any server that speaks its API.

Limits (API reference): 2,048 inputs, 8,192 tokens an input, 300,000 tokens a request, no
empty input. The dimension of a known model can be cut below its native one, except for ada-002.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from domain.documents.batching import REQUEST_TOKENS
from domain.errors import ConfigurationError, PermanentError
from resources.embedders.batch_api import OpenAIBatchJobs
from resources.embedders.errors import InputRejected, ResponseLost, TooManyTokens
from resources.embedders.inputs import estimate_tokens, screen_inputs, split_requests
from resources.embedders.openai_client import OpenAIClient, Usage
from resources.embedders.protocol import EmbeddingResult, Model, merge_results
from resources.embedders.responses import parse_response

if TYPE_CHECKING:
    from resources.embedders.protocol import Vectors

NATIVE_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
FIXED_DIMENSION_MODELS = {"text-embedding-ada-002"}
# US dollars per million tokens, developers.openai.com, as read in November 2026.
PRICES = {"text-embedding-3-small": 0.02, "text-embedding-3-large": 0.13, "text-embedding-ada-002": 0.10}
MAX_REQUEST_INPUTS = 2_048
# seconds; answers take one or two, and the SDK's 600 would hold a document for ten minutes
REQUEST_TIMEOUT_SECONDS = 45.0
QUERY_TIMEOUT_SECONDS = 20.0  # somebody waits for the answer to a question
ALONE_TOKENS = 6_500  # an input of more may exceed the limit of 8,192, because the count is an estimate


class OpenAIEmbedder:
    """Requests are split to the limits and sent one after the other; call `embed` in threads for more at once.

    `in_flight` bounds the requests to one service over all embedders of the process. The environment is not read,
    but for what the HTTP client and the SDK read themselves: proxies and OPENAI_CUSTOM_HEADERS.
    """

    def __init__(  # noqa: PLR0913 – nine settings, and the three arguments that keep tests from waiting
        self,
        api_key: str,
        base_url: str | None = None,
        model: str = "text-embedding-3-small",
        dimension: int | None = None,
        in_flight: int = 5,
        request_inputs: int = 256,
        timeout: float = REQUEST_TIMEOUT_SECONDS,
        max_retries: int = 4,
        *,
        query_timeout: float = QUERY_TIMEOUT_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ConfigurationError for settings that are wrong without a request."""
        if not 1 <= request_inputs <= MAX_REQUEST_INPUTS:
            raise ConfigurationError(
                f"EMBED_REQUEST_INPUTS is {request_inputs}; it must be 1 to {MAX_REQUEST_INPUTS:,}."
            )
        if in_flight < 1:
            raise ConfigurationError(f"BATCHES_IN_FLIGHT is {in_flight}; it must be at least 1.")
        self.model = Model("openai", model, resolve_dimension(model, dimension))
        cut = self.model.dimension != NATIVE_DIMENSIONS.get(model, self.model.dimension)
        self._options: dict[str, Any] = {"dimensions": self.model.dimension} if cut else {}
        self._request_inputs = request_inputs
        self._client = OpenAIClient(api_key, base_url, in_flight, timeout, max_retries, sleep, jitter, clock)
        self._query_timeout = query_timeout
        self._clock = clock
        self._has_worked = False
        self.jobs = OpenAIBatchJobs(self._client, self.model, self._options)

    def embed_batches(self, texts: Sequence[str]) -> Iterator[EmbeddingResult]:
        """One result for each paid request, then one for all rejected texts, which cost nothing.

        A text that the service rejects is isolated by halving the request. Raises PermanentError if the response to a
        request was lost twice: a step that retries would have it billed up to six times.
        """
        try:
            yield from self._answers(texts, math.inf)
        except ResponseLost as error:
            raise PermanentError(
                f"{error} Both tries of a request may have been billed, so there is no third by itself; retry when the "
                "service answers again."
            ) from None

    def _answers(self, texts: Sequence[str], deadline: float) -> Iterator[EmbeddingResult]:
        import numpy as np

        positions, refused = screen_inputs(texts)
        usage = Usage()
        sizes = ((position, estimate_tokens(texts[position])) for position in positions)
        waiting = list(split_requests(sizes, self._request_inputs, REQUEST_TOKENS, ALONE_TOKENS))
        waiting.reverse()
        while waiting:
            chosen = waiting.pop()
            try:
                vectors = self._request([texts[position] for position in chosen], usage, deadline)
            except InputRejected as error:
                if not isinstance(error, TooManyTokens):
                    self._check_settings_are_accepted(error, usage, deadline)
                if len(chosen) == 1:
                    refused[chosen[0]] = str(error)
                else:
                    waiting += reversed(split_rejected(chosen, error.input_index))
            else:
                yield EmbeddingResult(chosen, vectors, {}, *usage.take())
        if refused:
            nothing = np.zeros((len(refused), self.model.dimension), dtype=np.float32)
            yield EmbeddingResult(sorted(refused), nothing, refused, *usage.take())

    def embed(self, texts: Sequence[str]) -> EmbeddingResult:
        """One vector per text, in their order; TransientError if that takes longer than `query_timeout`."""
        answers = self._answers(texts, self._clock() + self._query_timeout)
        return merge_results(answers, len(texts), self.model.dimension)

    def price_per_million_tokens(self) -> float | None:
        """OpenAI's list price for its own models, `None` for any other."""
        return PRICES.get(self.model.name)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _request(self, texts: list[str], usage: Usage, deadline: float) -> Vectors:
        body = {"model": self.model.name, "input": texts, "encoding_format": "base64", **self._options}
        vectors, tokens = self._client.request(
            body, usage, lambda raw: parse_response(raw, len(texts), self.model.dimension), deadline
        )
        usage.add_tokens(tokens)
        self._has_worked = True
        return vectors

    def _check_settings_are_accepted(self, refused: InputRejected, usage: Usage, deadline: float) -> None:
        """Before the first success a rejection may be about the settings; one harmless word shows which.

        Without this, a server that rejects `dimensions` would get 511 requests, and every row the blame.
        """
        if self._has_worked:
            return
        try:
            self._request(["word"], usage, deadline)
        except InputRejected:
            misconfigured = ConfigurationError(
                f"The embedding service refuses every input; check EMBEDDING_MODEL and EMBEDDING_DIMENSIONS: {refused}"
            )
        else:
            return
        raise misconfigured


def split_rejected(chosen: list[int], input_index: int | None) -> list[list[int]]:
    """A refused request as smaller ones: the input that the service named and the others, else two halves."""
    if input_index is not None and input_index < len(chosen):
        return [[chosen[input_index]], chosen[:input_index] + chosen[input_index + 1 :]]
    half = len(chosen) // 2
    return [chosen[:half], chosen[half:]]


def resolve_dimension(model: str, dimension: int | None) -> int:
    """The dimension that was set, or the model's own; ConfigurationError if the two do not fit."""
    native = NATIVE_DIMENSIONS.get(model)
    if dimension is None:
        if native is None:
            raise ConfigurationError(f"EMBEDDING_MODEL {model} is not one we know; set EMBEDDING_DIMENSIONS as well.")
        return native
    if dimension < 1 or (native and (dimension > native or (model in FIXED_DIMENSION_MODELS and dimension != native))):
        allowed = f"{native}" if model in FIXED_DIMENSION_MODELS else f"1 to {native}" if native else "at least 1"
        raise ConfigurationError(f"EMBEDDING_DIMENSIONS is {dimension}; for {model} it must be {allowed}.")
    return dimension
