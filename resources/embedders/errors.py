"""Troubles with an embedding service: the SDK's errors in our grammar, with nothing secret in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from domain.backoff import parse_retry_after
from domain.errors import ConfigurationError, PermanentError, RowlineError, TransientError
from settings.redaction import Redactor

if TYPE_CHECKING:
    import openai

NO_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
TOO_MUCH = {"max_tokens_per_request", "array_above_max_length"}
TOO_LONG = re.compile(r"maximum (context|input) length", re.IGNORECASE)
SETTINGS = {"model": "EMBEDDING_MODEL", "dimensions": "EMBEDDING_DIMENSIONS", "encoding_format": "OPENAI_BASE_URL"}
LONGEST_REASON = 300
GATEWAY_TIMEOUTS = (504, 524)  # a proxy gave up on a service that may be done by now


class ServiceTrouble(TransientError):
    """The service is busy, unwell or out of reach.

    `retry_after`: seconds it asks us to wait, if it does; `overloaded`: it has too much to do, so all are to ask less.
    """

    def __init__(
        self,
        message: str,
        retry_after: float | None = None,
        worth_repeating: bool = True,
        overloaded: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.worth_repeating = worth_repeating
        self.overloaded = overloaded


class AnswerLost(ServiceTrouble):
    """The request may have been worked on, and billed, but there is no answer that can be used."""


class InputRefused(PermanentError):
    """The service refuses a request for something in its inputs. `named`: which one, where it says so."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        found = re.search(r"\binput\[(\d+)\]", reason)
        self.named = int(found[1]) if found else None


class NotThere(PermanentError):
    """The service does not know the model, the file or the address that was asked for."""


class TooManyTokens(InputRefused):
    """The request as a whole is too large, or one text is: nothing is wrong with the settings, cutting it helps."""


def explain(error: openai.OpenAIError, secret: str, model: str) -> RowlineError:
    """What happened and what to do. The result is to be raised outside of the `except`: the SDK's error is not to
    hang on it as a cause, because its text repeats what the service said, which may be the key."""
    import openai

    if isinstance(error, openai.APIConnectionError):
        return _unanswered(error)
    if not isinstance(error, openai.APIStatusError):
        return PermanentError(f"The OpenAI SDK refuses to send: {without_secrets(str(error), secret)}")
    said = without_secrets(_message(error), secret)
    if error.status_code in (400, 413, 422):
        return _refused(error, said)
    if error.status_code in (408, 409, 429) or error.status_code >= 500:
        return _busy(error, said)
    return _forbidden(error.status_code, said, model)


def without_secrets(text: str, secret: str) -> str:
    """The text with the key, anything that looks like one, and half-hidden keys (`abc***xyz`) taken out."""
    text = Redactor([secret])(text)
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"


def _unanswered(error: openai.APIConnectionError) -> ServiceTrouble:
    """Without a connection nothing was sent; whatever else broke may have broken after the work was done."""
    import httpx2
    import openai

    unsent = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
    if isinstance(error.__cause__, unsent):
        return ServiceTrouble("The embedding service could not be reached; see OPENAI_BASE_URL.")
    if isinstance(error, openai.APITimeoutError):
        return AnswerLost("The embedding service did not answer in time.")
    return AnswerLost("The embedding service did not answer: the connection broke.")


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    said = body.get("message") if isinstance(body, dict) else body
    return said.strip() if isinstance(said, str) and said.strip() else f"HTTP {error.status_code}"


def _refused(error: openai.APIStatusError, said: str) -> RowlineError:
    setting = SETTINGS.get(error.param or "")
    if setting:
        return ConfigurationError(f"The embedding service does not accept what {setting} asks for: {said}")
    if "context_length_exceeded" in (error.code, error.type) or TOO_LONG.search(said):
        return TooManyTokens(f"the text is too long for the model; leave columns out, or cut the cell in two: {said}")
    if error.status_code == 413 or TOO_MUCH & {error.code, error.type}:
        return TooManyTokens(said)
    return InputRefused(said)


def _busy(error: openai.APIStatusError, said: str) -> RowlineError:
    if error.status_code == 429 and NO_QUOTA & {error.code, error.type}:
        return PermanentError(f"The OpenAI account has no quota left; add credit, then retry: {said}")
    what = "asks us to slow down" if error.status_code == 429 else f"failed with HTTP {error.status_code}"
    headers = error.response.headers
    if error.status_code in GATEWAY_TIMEOUTS:
        return AnswerLost(f"The embedding service {what}: {said}", retry_after=parse_retry_after(headers))
    return ServiceTrouble(
        f"The embedding service {what}: {said}",
        retry_after=parse_retry_after(headers),
        worth_repeating=headers.get("x-should-retry") != "false",
        overloaded=error.status_code in (429, 503),
    )


def _forbidden(status: int, said: str, model: str) -> RowlineError:
    if status in (401, 403):
        return ConfigurationError(f"The embedding service does not accept OPENAI_API_KEY (HTTP {status}): {said}")
    if status == 404:
        return NotThere(
            f"The embedding service has no model {model}; check EMBEDDING_MODEL, and OPENAI_BASE_URL if set: {said}"
        )
    return PermanentError(f"The embedding service refuses the request with HTTP {status}: {said}")
