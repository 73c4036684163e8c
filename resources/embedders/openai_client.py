"""One request to an OpenAI-compatible service, retried while that makes sense."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from domain.backoff import backoff_seconds
from domain.errors import ConfigurationError
from resources.embedders.concurrency_limiter import shared_limiter
from resources.embedders.errors import ResponseLost, ServiceError, translate_error
from settings.values import usable_key

if TYPE_CHECKING:
    import openai
    from tenacity import RetryCallState

Response = TypeVar("Response")

OPENAI_URL = "https://api.openai.com/v1"
MAX_LOST_RESPONSES = 2  # of one request, each perhaps billed; the second ends it
INITIAL_BACKOFF, MAX_BACKOFF = 0.5, 8.0  # seconds, as the SDK has them
# seconds a service may ask for; beyond that the run tries again later, as the SDK has it
MAX_RETRY_AFTER_SECONDS = 120.0


@dataclass(slots=True)
class Usage:
    """What a call to an embedder has cost since the last `take`."""

    requests: int = 0
    tokens: int | None = None

    def add_tokens(self, tokens: int | None) -> None:
        """Adds billed tokens; stays `None` while no answer reported any."""
        if tokens is not None:
            self.tokens = (self.tokens or 0) + tokens

    def take(self) -> tuple[int | None, int]:
        """Returns tokens and requests, and resets both."""
        tokens, requests = self.tokens, self.requests
        self.tokens, self.requests = None, 0
        return tokens, requests


class OpenAIClient:
    """The official SDK, used for the request and its answer's bytes only.

    Its retries are off and ours replace them (same statuses, same waits, Retry-After up to 120 s), for three things
    that it cannot do: stop at once if the quota is used up, repeat a request whose response is unusable, and sleep
    on a clock that a test controls. Its pydantic models are never built: they cost more than the request.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str | None,
        in_flight: int,
        timeout: float,
        max_retries: int,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api_key = usable_key("OPENAI_API_KEY", api_key)
        self._base_url = validate_base_url(base_url)
        self._timeout = timeout
        self._max_retries = max_retries
        self._sleep = sleep
        self._jitter = jitter
        self._clock = clock
        self._limiter = shared_limiter(self._base_url, in_flight)
        self._lock = threading.Lock()
        self._client: openai.OpenAI | None = None

    def request(
        self, body: dict[str, Any], usage: Usage, read: Callable[[bytes], Response], deadline: float
    ) -> Response:
        """Sends the body of an embeddings request, reads the answer; both are repeated on ServiceError.

        If the response was lost it is sent once more only: each time may be billed. Gives up at `deadline`, by our
        clock.
        """
        lost = 0

        def send(client: openai.OpenAI) -> Response:
            usage.requests += 1
            limits = _timeouts(min(self._timeout, deadline - self._clock()))
            return read(client.embeddings.with_raw_response.create(**body, timeout=limits).content)

        def retryable(error: BaseException) -> bool:
            nonlocal lost
            lost += isinstance(error, ResponseLost)
            return lost < MAX_LOST_RESPONSES and _is_retryable(error)

        return self._send_with_retries(send, str(body["model"]), retryable, deadline)

    def call(self, send: Callable[[openai.OpenAI], Response], model: str) -> Response:
        """What `send` returns; it is called again on ServiceError, so it must be idempotent."""
        return self._send_with_retries(send, model, _is_retryable, math.inf)

    def close(self) -> None:
        """Closes the connections, if any were opened."""
        with self._lock:
            if self._client is not None:
                self._client.close()

    def _send_with_retries(
        self,
        send: Callable[[openai.OpenAI], Response],
        model: str,
        retryable: Callable[[BaseException], bool],
        deadline: float,
    ) -> Response:
        from tenacity import Retrying, retry_if_exception

        repeat = Retrying(
            stop=lambda state: (
                state.attempt_number > self._max_retries or self._clock() + state.upcoming_sleep >= deadline
            ),
            retry=retry_if_exception(retryable),
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        answer: Response = repeat(self._send_once, send, model, deadline)
        return answer

    def _send_once(self, send: Callable[[openai.OpenAI], Response], model: str, deadline: float) -> Response:
        import openai

        client = self._get_client()
        with self._limiter.acquire(self._clock, self._sleep, deadline) as started:
            try:
                answer = send(client)
            except openai.OpenAIError as error:
                failure = translate_error(error, self._api_key, model)
            else:
                self._limiter.on_success()
                return answer
        if isinstance(failure, ServiceError) and failure.overloaded:
            self._limiter.on_overload(started, self._clock())
        raise failure

    def _get_client(self) -> openai.OpenAI:
        """The client, made at the first request: importing the SDK takes a second."""
        # the SDK reads types of httpx if it is loaded, even half loaded by another thread: load it whole first
        import httpx  # noqa: F401
        import openai

        with self._lock:
            if self._client is None:
                # Omitted, because the SDK would fill these two from the environment.
                no_headers = {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
                self._client = openai.OpenAI(
                    api_key=self._api_key,
                    base_url=self._base_url,
                    timeout=_timeouts(self._timeout),
                    max_retries=0,
                    default_headers=no_headers,  # type: ignore[arg-type]
                )
            return self._client

    def _wait(self, state: RetryCallState) -> float:
        """Seconds that the service asks for, else 0.5 doubled each time up to 8, less up to a quarter of that.

        No thread of the process sends anything to an overloaded service for that long.
        """
        error = state.outcome.exception() if state.outcome else None
        seconds = backoff_seconds(
            state.attempt_number, self._jitter(), initial=INITIAL_BACKOFF, maximum=MAX_BACKOFF, spread=0.25
        )
        if isinstance(error, ServiceError):
            seconds = seconds if error.retry_after is None else error.retry_after
            if error.overloaded:
                self._limiter.hold_until(self._clock() + seconds)
        return seconds


def _timeouts(seconds: float) -> openai.Timeout:
    """Time-outs of one attempt."""
    import openai

    seconds = max(seconds, 0.001)
    return openai.Timeout(seconds, connect=min(5.0, seconds))


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, ServiceError) and error.retryable and (error.retry_after or 0) <= MAX_RETRY_AFTER_SECONDS


def validate_base_url(base_url: str | None) -> str:
    """The URL of the service, OpenAI's own if none is set. Raises ConfigurationError for one that is not usable."""
    address = (base_url or OPENAI_URL).strip()
    if not address.startswith(("http://", "https://")):
        raise ConfigurationError("OPENAI_BASE_URL must begin with http:// or https://, and usually ends with /v1.")
    if not _has_host(address):
        raise ConfigurationError("OPENAI_BASE_URL is no address; it names a host, as in https://api.openai.com/v1.")
    return address


def _has_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # half a bracket, or a port that is no number
        return False
