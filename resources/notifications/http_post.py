"""One POST in bounded time, and its outcome: certainly not sent, answered, or unknown."""

import asyncio
import json
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from domain.backoff import parse_retry_after
from domain.notifications.retry_policy import SENT, Outcome

TIMEOUT_SECONDS = 20.0  # for all of it: name, connection, request and answer
RETRYABLE_STATUSES = (425, 429, 503)  # certainly not processed, by their meaning (RFC 9110, 8470, 6585)
MAX_RESPONSE_BYTES = 64 * 1024  # bytes read of a response


_has_secret_url: ContextVar[bool] = ContextVar("_secret", default=False)


class _RedactingFilter(logging.Filter):
    """httpx logs each URL that it requests; those of Slack and of webhooks are secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _has_secret_url.get()


_REDACTING_FILTER = _RedactingFilter()


@dataclass(frozen=True, slots=True)
class Post:
    """One request. `host` is the name to send if `address` holds an IP address instead."""

    address: str
    body: bytes
    headers: Mapping[str, str]
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str]
    text: str


def post(request: Post, service: str, seconds: float = TIMEOUT_SECONDS, direct: bool = False) -> Response | Outcome:
    """The response, else the outcome without one. `direct`: ignores the proxies of the environment."""
    sending = [False]
    try:
        return asyncio.run(asyncio.wait_for(_send(request, sending, direct), seconds))
    except TimeoutError:
        reason = f"gave no whole answer within {seconds:g} s"
    except _network_errors() as error:
        reason = f"could not be reached ({type(error).__name__})"
    if sending[0]:
        return Outcome("unconfirmed", f"{service} took the message and its answer was lost: it {reason}")
    return Outcome("retryable", f"{service} {reason}")


def classify_response(answer: Response, service: str, why: str = "") -> Outcome:
    """The outcome of a message by its response; any 2xx is success."""
    if 200 <= answer.status < 300:
        return SENT
    said = f"{service} answered {answer.status}{f': {why}' if why else ''}"
    if 300 <= answer.status < 400:
        return Outcome("refused", f"{said}, a redirect, which is not followed; name the address itself")
    if answer.status in RETRYABLE_STATUSES:
        return Outcome("retryable", said, parse_retry_after(answer.headers, datetime.now(UTC)))
    if answer.status == 408 or answer.status >= 500:  # the service or a proxy failed: it may have been accepted
        return Outcome("unconfirmed", said)
    return Outcome("refused", said)


async def _send(request: Post, sending: list[bool], direct: bool) -> Response:
    import httpx

    _has_secret_url.set(True)  # in the context of this task alone
    logging.getLogger("httpx").addFilter(_REDACTING_FILTER)

    async def trace(event: str, _: Any) -> None:
        # from the first byte of the request on, the service may have all of it
        sending[0] = sending[0] or event.endswith("send_request_headers.started")

    extensions: dict[str, Any] = {"trace": trace}
    headers = dict(request.headers)
    if request.host is not None:
        headers["Host"] = request.host
        extensions["sni_hostname"] = urlsplit(f"//{request.host}").hostname
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=not direct) as client,
        client.stream(
            "POST", request.address, content=request.body, headers=headers, extensions=extensions
        ) as response,
    ):
        text = b""
        async for part in response.aiter_raw():
            text += part
            if len(text) >= MAX_RESPONSE_BYTES:
                break
        return Response(
            response.status_code, dict(response.headers), text[:MAX_RESPONSE_BYTES].decode("utf-8", "replace")
        )


def _network_errors() -> tuple[type[Exception], ...]:
    import httpx

    return (httpx.HTTPError, httpx.InvalidURL, OSError)


def canonical_json(document: Any) -> bytes:
    """Canonical JSON for signatures: sorted keys, no spaces."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
