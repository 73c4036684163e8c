"""Errors of an embedding service: the SDK's errors as ours, with nothing secret in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from domain.backoff import parse_retry_after
from domain.errors import ConfigurationError, ErrorCode, PermanentError, RowlineError, TransientError
from settings.redaction import redact_echo

if TYPE_CHECKING:
    import openai

NO_QUOTA_CODES = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
REQUEST_TOO_LARGE_CODES = {"max_tokens_per_request", "array_above_max_length"}
INPUT_TOO_LONG = re.compile(r"maximum (context|input) length", re.IGNORECASE)
SETTINGS = {"model": "EMBEDDING_MODEL", "dimensions": "EMBEDDING_DIMENSIONS", "encoding_format": "OPENAI_BASE_URL"}
MAX_REASON_LENGTH = 300
GATEWAY_TIMEOUTS = (504, 524)  # a proxy gave up on a service that may have finished


class ServiceError(TransientError):
    """The service is busy, failing or unreachable.

    `retry_after`: seconds it asks us to wait, if it does; `overloaded`: it has too much to do, so every thread is to
    send less.
    """

    code = ErrorCode.EMBEDDING_SERVICE_UNAVAILABLE

    def __init__(
        self,
        message: str,
        retry_after: float | None = None,
        retryable: bool = True,
        overloaded: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.retryable = retryable
        self.overloaded = overloaded


class ResponseLost(ServiceError):
    """The request may have been processed, and billed, but there is no usable response."""


class InputRejected(PermanentError):
    """The service refuses a request for something in its inputs. `input_index`: which one, if it says so."""

    code = ErrorCode.EMBEDDING_INPUT_REJECTED

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        match = re.search(r"\binput\[(\d+)\]", reason)
        self.input_index = int(match[1]) if match else None


class UnknownToService(PermanentError):
    """The service does not know the model, the file or the address that was asked for."""

    code = ErrorCode.EMBEDDING_MODEL_UNKNOWN


class TooManyTokens(InputRejected):
    """The request as a whole is too large, or one text is: nothing is wrong with the settings, cutting it helps."""


def translate_error(error: openai.OpenAIError, secret: str, model: str) -> RowlineError:
    """What happened and what to do. Raise the result outside of the `except`: the SDK's error must not become its
    cause, because its text repeats the response, which may hold the key."""
    import openai

    if isinstance(error, openai.APIConnectionError):
        return _connection_error(error)
    if not isinstance(error, openai.APIStatusError):
        return PermanentError(f"The OpenAI SDK refuses to send: {redact(str(error), secret)}")
    said = redact(_message(error), secret)
    if error.status_code in (400, 413, 422):
        return _rejected_error(error, said)
    if error.status_code in (408, 409, 429) or error.status_code >= 500:
        return _busy_error(error, said)
    return _client_error(error.status_code, said, model)


def redact(text: str, secret: str) -> str:
    """The text with the key, anything that looks like one, and half-hidden keys (`abc***xyz`) taken out."""
    text = redact_echo(text, secret)
    return text if len(text) <= MAX_REASON_LENGTH else f"{text[:MAX_REASON_LENGTH]}…"


def _connection_error(error: openai.APIConnectionError) -> ServiceError:
    """Without a connection nothing was sent; any other failure may have come after the work was done."""
    import httpx2
    import openai

    unsent = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
    if isinstance(error.__cause__, unsent):
        return ServiceError("The embedding service could not be reached; see OPENAI_BASE_URL.")
    if isinstance(error, openai.APITimeoutError):
        return ResponseLost("The embedding service did not answer in time.")
    return ResponseLost("The embedding service did not answer: the connection broke.")


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    said = body.get("message") if isinstance(body, dict) else body
    return said.strip() if isinstance(said, str) and said.strip() else f"HTTP {error.status_code}"


def _rejected_error(error: openai.APIStatusError, said: str) -> RowlineError:
    setting = SETTINGS.get(error.param or "")
    if setting:
        return ConfigurationError(f"The embedding service does not accept what {setting} asks for: {said}")
    if "context_length_exceeded" in (error.code, error.type) or INPUT_TOO_LONG.search(said):
        return TooManyTokens(f"the text is too long for the model; leave columns out, or cut the cell in two: {said}")
    if error.status_code == 413 or REQUEST_TOO_LARGE_CODES & {error.code, error.type}:
        return TooManyTokens(said)
    return InputRejected(said)


def _busy_error(error: openai.APIStatusError, said: str) -> RowlineError:
    if error.status_code == 429 and NO_QUOTA_CODES & {error.code, error.type}:
        return PermanentError(
            f"The OpenAI account has no quota left; add credit, then retry: {said}",
            code=ErrorCode.EMBEDDING_QUOTA_EXHAUSTED,
        )
    what = "asks us to slow down" if error.status_code == 429 else f"failed with HTTP {error.status_code}"
    headers = error.response.headers
    if error.status_code in GATEWAY_TIMEOUTS:
        return ResponseLost(f"The embedding service {what}: {said}", retry_after=parse_retry_after(headers))
    return ServiceError(
        f"The embedding service {what}: {said}",
        retry_after=parse_retry_after(headers),
        retryable=headers.get("x-should-retry") != "false",
        overloaded=error.status_code in (429, 503),
    )


def _client_error(status: int, said: str, model: str) -> RowlineError:
    if status in (401, 403):
        return ConfigurationError(f"The embedding service does not accept OPENAI_API_KEY (HTTP {status}): {said}")
    if status == 404:
        return UnknownToService(
            f"The embedding service has no model {model}; check EMBEDDING_MODEL, and OPENAI_BASE_URL if set: {said}"
        )
    return PermanentError(f"The embedding service refuses the request with HTTP {status}: {said}")
