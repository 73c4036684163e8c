"""The OpenAI body: embeddings from OpenAI or any server that speaks its API.

Limits (API reference; contracts.md section 4): 2,048 inputs, 8,192 tokens an input, 300,000 tokens a request, no
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
from resources.embedders.batch_api import BatchApi
from resources.embedders.errors import AnswerLost, InputRefused, TooManyTokens
from resources.embedders.inputs import acceptable, requests, rough_tokens
from resources.embedders.openai_client import OpenAIClient, Usage
from resources.embedders.protocol import EmbeddingResult, Model, joined
from resources.embedders.responses import read_answer

if TYPE_CHECKING:
    from resources.embedders.protocol import Vectors

NATIVE_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
FIXED = {"text-embedding-ada-002"}
# US dollars per million tokens, developers.openai.com, as read in November 2026.
PRICES = {"text-embedding-3-small": 0.02, "text-embedding-3-large": 0.13, "text-embedding-ada-002": 0.10}
REQUEST_INPUTS = 2_048
TIMEOUT = 45.0  # seconds; answers take one or two, and the SDK's 600 would hold a document for ten minutes
PATIENCE = 20.0  # seconds; who asks a question is there and waits
ALONE_TOKENS = 6_500  # an input of more may exceed the limit of 8,192, because the count is an estimate


class OpenAIEmbedder:
    """Requests are split to the limits and sent one after the other; call `embed` in threads for more at once.

    `in_flight` bounds the requests to one service over all embedders of the process. The environment is not read,
    but for what the HTTP client and SDK take from it by themselves: proxies and OPENAI_CUSTOM_HEADERS.
    """

    def __init__(  # noqa: PLR0913 – nine settings, and the three arguments that keep tests from waiting
        self,
        api_key: str,
        base_url: str | None = None,
        model: str = "text-embedding-3-small",
        dimension: int | None = None,
        in_flight: int = 5,
        request_inputs: int = 256,
        timeout: float = TIMEOUT,
        max_retries: int = 4,
        *,
        patience: float = PATIENCE,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ConfigurationError for what can be seen to be wrong without a request."""
        if not 1 <= request_inputs <= REQUEST_INPUTS:
            raise ConfigurationError(f"EMBED_REQUEST_INPUTS is {request_inputs}; it must be 1 to {REQUEST_INPUTS:,}.")
        if in_flight < 1:
            raise ConfigurationError(f"BATCHES_IN_FLIGHT is {in_flight}; it must be at least 1.")
        self.model = Model("openai", model, chosen_dimension(model, dimension))
        cut = self.model.dimension != NATIVE_DIMENSIONS.get(model, self.model.dimension)
        self._options: dict[str, Any] = {"dimensions": self.model.dimension} if cut else {}
        self._request_inputs = request_inputs
        self._wire = OpenAIClient(api_key, base_url, in_flight, timeout, max_retries, sleep, jitter, clock)
        self._patience = patience
        self._clock = clock
        self._has_worked = False
        self.jobs = BatchApi(self._wire, self.model, self._options)

    def embed_batches(self, texts: Sequence[str]) -> Iterator[EmbeddingResult]:
        """An answer for each request that was paid, then one of all refused texts, which cost nothing.

        A text that the service refuses on its own is found by halving and named. Raises PermanentError where the
        answers to a request were lost twice: a step that tries again would have it billed up to six times.
        """
        try:
            yield from self._answers(texts, math.inf)
        except AnswerLost as error:
            raise PermanentError(
                f"{error} Both tries of a request may have been billed, so there is no third by itself; retry when the "
                "service answers again."
            ) from None

    def _answers(self, texts: Sequence[str], until: float) -> Iterator[EmbeddingResult]:
        import numpy as np

        positions, refused = acceptable(texts)
        tally = Usage()
        sizes = ((position, rough_tokens(texts[position])) for position in positions)
        waiting = list(requests(sizes, self._request_inputs, REQUEST_TOKENS, ALONE_TOKENS))
        waiting.reverse()
        while waiting:
            chosen = waiting.pop()
            try:
                vectors = self._ask([texts[position] for position in chosen], tally, until)
            except InputRefused as error:
                if not isinstance(error, TooManyTokens):
                    self._make_sure_it_is_the_input(error, tally, until)
                if len(chosen) == 1:
                    refused[chosen[0]] = str(error)
                else:
                    waiting += reversed(suspects(chosen, error.named))
            else:
                yield EmbeddingResult(chosen, vectors, {}, *tally.take())
        if refused:
            nothing = np.zeros((len(refused), self.model.dimension), dtype=np.float32)
            yield EmbeddingResult(sorted(refused), nothing, refused, *tally.take())

    def embed(self, texts: Sequence[str]) -> EmbeddingResult:
        """One vector per text, in their order; TransientFailure where that takes longer than the `patience`."""
        answers = self._answers(texts, self._clock() + self._patience)
        return joined(answers, len(texts), self.model.dimension)

    def price_per_million_tokens(self) -> float | None:
        """OpenAI's list price for its own models, `None` for any other."""
        return PRICES.get(self.model.name)

    def close(self) -> None:
        """Closes the connections."""
        self._wire.close()

    def _ask(self, texts: list[str], tally: Usage, until: float) -> Vectors:
        body = {"model": self.model.name, "input": texts, "encoding_format": "base64", **self._options}
        vectors, tokens = self._wire.request(
            body, tally, lambda raw: read_answer(raw, len(texts), self.model.dimension), until
        )
        tally.pay(tokens)
        self._has_worked = True
        return vectors

    def _make_sure_it_is_the_input(self, refused: InputRefused, tally: Usage, until: float) -> None:
        """Before the first success a refusal may be meant for the settings: one harmless word tells.

        Without this, a server that refuses `dimensions` would be asked 511 times and blame every row.
        """
        if self._has_worked:
            return
        try:
            self._ask(["word"], tally, until)
        except InputRefused:
            wrong = ConfigurationError(
                f"The embedding service refuses every input; check EMBEDDING_MODEL and EMBEDDING_DIMENSIONS: {refused}"
            )
        else:
            return
        raise wrong


def suspects(chosen: list[int], named: int | None) -> list[list[int]]:
    """A refused request as smaller ones: the input that the service named and the others, else two halves."""
    if named is not None and named < len(chosen):
        return [[chosen[named]], chosen[:named] + chosen[named + 1 :]]
    half = len(chosen) // 2
    return [chosen[:half], chosen[half:]]


def chosen_dimension(model: str, dimension: int | None) -> int:
    """The dimension that was set, or the model's own; ConfigurationError where the two cannot go together."""
    native = NATIVE_DIMENSIONS.get(model)
    if dimension is None:
        if native is None:
            raise ConfigurationError(f"EMBEDDING_MODEL {model} is not one we know; set EMBEDDING_DIMENSIONS as well.")
        return native
    if dimension < 1 or (native and (dimension > native or (model in FIXED and dimension != native))):
        allowed = f"{native}" if model in FIXED else f"1 to {native}" if native else "at least 1"
        raise ConfigurationError(f"EMBEDDING_DIMENSIONS is {dimension}; for {model} it must be {allowed}.")
    return dimension
