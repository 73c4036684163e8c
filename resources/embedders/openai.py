"""The OpenAI embedder, for OpenAI and any server that speaks its embeddings API.

Limits (OpenAI API reference, 2026-11): 2,048 inputs, 8,192 tokens an input, 300,000 tokens a request, no empty
input. A vector is never a Python list: base64 → numpy.
"""

import base64
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.documents.costs import estimated_tokens
from pipelines.failures import PermanentFailure, RowlineFailure, TransientFailure, WrongSetting
from resources.embedders.protocol import Embedded, Model

if TYPE_CHECKING:
    import numpy as np

NATIVE_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
PRICES = {"text-embedding-3-small": 0.02, "text-embedding-3-large": 0.13, "text-embedding-ada-002": 0.10}  # 2026-11
REQUEST_TOKENS = 280_000  # the limit is 300,000; our count is an estimate


class OpenAIEmbedder:
    """Official SDK, bounded requests in flight, its retries (they honour Retry-After) for what is transient."""

    def __init__(
        self,
        api_key: str,
        base_url: str | None = None,
        model: str = "text-embedding-3-small",
        dimension: int | None = None,
        in_flight: int = 5,
        request_inputs: int = 256,
        timeout: float = 60.0,
        max_retries: int = 4,
    ) -> None:
        """Raises WrongSetting where a model's dimension is neither known nor given."""
        import openai

        native = NATIVE_DIMENSIONS.get(model)
        if dimension is None and native is None:
            raise WrongSetting(f"EMBEDDING_MODEL {model} is not known here; say its EMBEDDING_DIMENSIONS")
        self.model = Model("openai", model, dimension or native or 0)
        self._dimensions = dimension if dimension and dimension != native and native else None
        self._request_inputs = request_inputs
        self._gate = threading.BoundedSemaphore(in_flight)
        self._client = openai.OpenAI(
            api_key=api_key,
            base_url=base_url or "https://api.openai.com/v1",
            timeout=timeout,
            max_retries=max_retries,
            organization=None,
            project=None,
        )

    def embed(self, texts: Sequence[str]) -> Embedded:
        import numpy as np

        vectors = np.zeros((len(texts), self.model.dimension), dtype="<f4")
        refused = {i: "the text is empty" for i, text in enumerate(texts) if not text.strip()}
        tokens = requests = 0
        waiting = list(self._requests(texts, [i for i in range(len(texts)) if i not in refused]))
        while waiting:
            chosen = waiting.pop()
            requests += 1
            try:
                answer, used = self._ask([texts[i] for i in chosen])
            except _Refused as error:
                if len(chosen) == 1:
                    refused[chosen[0]] = str(error)
                else:  # one of them is bad: halve until it stands alone
                    half = len(chosen) // 2
                    waiting += [chosen[:half], chosen[half:]]
                continue
            vectors[chosen] = answer
            tokens += used
        return Embedded(vectors, refused, tokens, requests)

    def price_per_million_tokens(self) -> float | None:
        return PRICES.get(self.model.name)

    def close(self) -> None:
        self._client.close()

    def _requests(self, texts: Sequence[str], positions: list[int]) -> Iterator[list[int]]:
        """Positions cut into requests by both limits, inputs and tokens."""
        part: list[int] = []
        size = 0
        for position in positions:
            tokens = estimated_tokens(len(texts[position].encode()))
            if part and (len(part) >= self._request_inputs or size + tokens > REQUEST_TOKENS):
                yield part
                part, size = [], 0
            part.append(position)
            size += tokens
        if part:
            yield part

    def _ask(self, texts: list[str]) -> tuple["np.ndarray", int]:
        """One request: (matrix of the answer, billed tokens)."""
        import openai

        options: dict[str, Any] = {"dimensions": self._dimensions} if self._dimensions else {}
        try:
            with self._gate:
                response = self._client.embeddings.with_raw_response.create(
                    model=self.model.name, input=texts, encoding_format="base64", **options
                )
                body = response.content
        except openai.OpenAIError as error:
            raise self._told(error, len(texts)) from None  # the SDK's own text may echo the key
        return self._matrix(body, len(texts))

    def _matrix(self, body: bytes, count: int) -> tuple["np.ndarray", int]:
        import numpy as np
        import orjson

        try:
            answer = orjson.loads(body)
            data = sorted(answer["data"], key=lambda item: item["index"])
            if [item["index"] for item in data] != list(range(count)):
                raise ValueError("other inputs were answered")
            flat = b"".join([base64.b64decode(item["embedding"]) for item in data])
            matrix = np.frombuffer(flat, "<f4").reshape(count, -1)
            used = int((answer.get("usage") or {}).get("prompt_tokens", 0))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TransientFailure(
                f"The embedding service answered something that is no list of {count} vectors; try again"
            ) from error
        if matrix.shape[1] != self.model.dimension:
            raise PermanentFailure(
                f"Model {self.model.name} gives vectors of {matrix.shape[1]} numbers, not {self.model.dimension}; "
                "correct EMBEDDING_DIMENSIONS"
            )
        if not np.isfinite(matrix).all():
            raise TransientFailure("The embedding service answered numbers that are not finite; try again")
        return matrix, used

    def _told(self, error: Exception, inputs: int) -> Exception:
        """The SDK's error in our grammar, without its text where that may hold the key."""
        import openai

        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return PermanentFailure(
                "The embedding service does not accept OPENAI_API_KEY; check the key and its rights"
            )
        if isinstance(error, openai.NotFoundError):
            return PermanentFailure(f"The embedding service has no model {self.model.name}; check EMBEDDING_MODEL")
        if isinstance(error, openai.RateLimitError) and error.code == "insufficient_quota":
            return PermanentFailure("The OpenAI account has no quota left; add credit, then retry the document")
        if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
            return _Refused(self._without_key(error.message))
        if isinstance(error, openai.APIStatusError) and error.status_code == 413:
            return _Refused("the request is too large")
        return _transient(error, inputs)

    def _without_key(self, message: str) -> str:
        return message.replace(self._client.api_key, "…")


def _transient(error: Exception, inputs: int) -> RowlineFailure:
    import openai

    what = f"answered {error.status_code}" if isinstance(error, openai.APIStatusError) else "did not answer in time"
    return TransientFailure(f"The embedding service {what} for a request of {inputs} texts; it may work later")


class _Refused(Exception):
    """The service refuses a request for what is in it."""
