"""The wire: one request to an OpenAI-compatible service, repeated while that makes sense."""

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
from resources.embedders.concurrency_limiter import shared_pace
from resources.embedders.errors import AnswerLost, ServiceTrouble, explain
from settings.values import usable_key

if TYPE_CHECKING:
    import openai
    from tenacity import RetryCallState

Answer = TypeVar("Answer")

OPENAI = "https://api.openai.com/v1"
LOST_ANSWERS = 2  # of one request, each perhaps billed; the second ends it
INITIAL_BACKOFF, MAX_BACKOFF = 0.5, 8.0  # seconds, as the SDK has them
LONGEST_WAIT = 120.0  # seconds a service may ask for; beyond that the run tries again later, as the SDK has it


@dataclass(slots=True)
class Usage:
    """What a call to an embedder has cost since it was last told."""

    requests: int = 0
    tokens: int | None = None

    def pay(self, tokens: int | None) -> None:
        """Adds billed tokens; stays `None` while no answer reported any."""
        if tokens is not None:
            self.tokens = (self.tokens or 0) + tokens

    def take(self) -> tuple[int | None, int]:
        """Tokens and requests, which begin anew."""
        tokens, requests = self.tokens, self.requests
        self.tokens, self.requests = None, 0
        return tokens, requests


class OpenAIClient:
    """The official SDK, used for the request and its answer's bytes only.

    Its retries are off and ours take their place (same statuses, same waits, Retry-After up to 120 s), for three
    things it cannot do: stop at once when the quota is gone, repeat an answer that is garbage, and sleep on a
    clock that a test can hold. Its pydantic models are never built: they cost more than the request.
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
        self._base_url = usable_address(base_url)
        self._timeout = timeout
        self._max_retries = max_retries
        self._sleep = sleep
        self._jitter = jitter
        self._clock = clock
        self._pace = shared_pace(self._base_url, in_flight)
        self._opening = threading.Lock()
        self._client: openai.OpenAI | None = None

    def request(self, body: dict[str, Any], tally: Usage, read: Callable[[bytes], Answer], until: float) -> Answer:
        """Sends the body of an embeddings request, reads the answer; both are repeated on ServiceTrouble.

        Where the answer was lost it is repeated once: each time may be billed. Gives up at `until`, by our clock.
        """
        lost = 0

        def send(client: openai.OpenAI) -> Answer:
            tally.requests += 1
            limits = _limits(min(self._timeout, until - self._clock()))
            return read(client.embeddings.with_raw_response.create(**body, timeout=limits).content)

        def worth_repeating(error: BaseException) -> bool:
            nonlocal lost
            lost += isinstance(error, AnswerLost)
            return lost < LOST_ANSWERS and _worth_repeating(error)

        return self._repeated(send, str(body["model"]), worth_repeating, until)

    def call(self, send: Callable[[openai.OpenAI], Answer], model: str) -> Answer:
        """What `send` makes of the client, called again on ServiceTrouble: so it must do no harm twice."""
        return self._repeated(send, model, _worth_repeating, math.inf)

    def close(self) -> None:
        """Closes the connections, if any were opened."""
        with self._opening:
            if self._client is not None:
                self._client.close()

    def _repeated(
        self,
        send: Callable[[openai.OpenAI], Answer],
        model: str,
        worth_repeating: Callable[[BaseException], bool],
        until: float,
    ) -> Answer:
        from tenacity import Retrying, retry_if_exception

        repeat = Retrying(
            stop=lambda state: (
                state.attempt_number > self._max_retries or self._clock() + state.upcoming_sleep >= until
            ),
            retry=retry_if_exception(worth_repeating),
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        answer: Answer = repeat(self._once, send, model, until)
        return answer

    def _once(self, send: Callable[[openai.OpenAI], Answer], model: str, until: float) -> Answer:
        import openai

        client = self._opened()
        with self._pace.acquire(self._clock, self._sleep, until) as began:
            try:
                answer = send(client)
            except openai.OpenAIError as error:
                failure = explain(error, self._api_key, model)
            else:
                self._pace.on_success()
                return answer
        if isinstance(failure, ServiceTrouble) and failure.overloaded:
            self._pace.on_overload(began, self._clock())
        raise failure

    def _opened(self) -> openai.OpenAI:
        """The client, made at the first request: importing the SDK takes a second."""
        # the SDK asks an httpx that is loaded for its types, also one that another thread is half-way through loading
        import httpx  # noqa: F401
        import openai

        with self._opening:
            if self._client is None:
                # Omitted, because the SDK would fill these two from the environment.
                nobody = {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
                self._client = openai.OpenAI(
                    api_key=self._api_key,
                    base_url=self._base_url,
                    timeout=_limits(self._timeout),
                    max_retries=0,
                    default_headers=nobody,  # type: ignore[arg-type]
                )
            return self._client

    def _wait(self, state: RetryCallState) -> float:
        """What the service asks for, else half a second doubled each time up to eight, less up to a quarter.

        A service that is overloaded is left alone by every thread of the process for that long.
        """
        trouble = state.outcome.exception() if state.outcome else None
        seconds = backoff_seconds(
            state.attempt_number, self._jitter(), initial=INITIAL_BACKOFF, maximum=MAX_BACKOFF, spread=0.25
        )
        if isinstance(trouble, ServiceTrouble):
            seconds = seconds if trouble.retry_after is None else trouble.retry_after
            if trouble.overloaded:
                self._pace.hold_until(self._clock() + seconds)
        return seconds


def _limits(seconds: float) -> openai.Timeout:
    """Time-outs of one attempt."""
    import openai

    seconds = max(seconds, 0.001)
    return openai.Timeout(seconds, connect=min(5.0, seconds))


def _worth_repeating(error: BaseException) -> bool:
    return isinstance(error, ServiceTrouble) and error.worth_repeating and (error.retry_after or 0) <= LONGEST_WAIT


def usable_address(base_url: str | None) -> str:
    """The address of the service, OpenAI's own where none is set."""
    address = (base_url or OPENAI).strip()
    if not address.startswith(("http://", "https://")):
        raise ConfigurationError("OPENAI_BASE_URL must begin with http:// or https://, and usually ends with /v1.")
    if not _names_a_host(address):
        raise ConfigurationError("OPENAI_BASE_URL is no address; it names a host, as in https://api.openai.com/v1.")
    return address


def _names_a_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # half a bracket, or a port that is no number
        return False
