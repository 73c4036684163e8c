"""Errors of Pinecone: the SDK's errors as ours, with nothing secret in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.errors import ConfigurationError, ErrorCode, PermanentError, RowlineError, VectorStoreUnavailable
from settings.redaction import redact_echo

if TYPE_CHECKING:
    from pinecone.errors import ApiError, PineconeError

MAX_REASON_LENGTH = 300
GRPC_NOT_FOUND = 5  # gRPC's code for something inside the index; a missing index has no code


class RequestRejected(PermanentError):
    """The service rejects the content of a request: too large, or invalid."""

    code = ErrorCode.VECTOR_STORE_REJECTED


class NamespaceNotFound(PermanentError):
    """The namespace does not exist, which counts as success for a delete."""

    code = ErrorCode.VECTOR_STORE_REJECTED


def translate_error(error: PineconeError, tried: str, secret: str) -> RowlineError:
    """What happened and what to do; `tried` is what we did ("upserting into namespace org_acme").

    Raise the result outside of the `except`: the SDK's error repeats the response and must not become its cause.
    """
    from pinecone.errors import ApiError, PineconeConnectionError, PineconeTimeoutError, ResponseParsingError

    if isinstance(error, PineconeTimeoutError):
        return VectorStoreUnavailable(f"Pinecone did not answer in time while {tried}; try again later")
    if isinstance(error, PineconeConnectionError):
        return VectorStoreUnavailable(
            f"Pinecone could not be reached, or did not answer to the end, while {tried}; check the network, and "
            "PINECONE_INDEX_HOST and PINECONE_CONTROLLER_HOST if set"
        )
    if isinstance(error, ResponseParsingError):
        return unreadable_response(tried)
    if isinstance(error, ApiError):
        return _status_error(error, tried, _reason(error.message, secret))
    return RequestRejected(f"The Pinecone SDK refuses to send while {tried}: {_reason(str(error), secret)}")


def unreadable_response(tried: str) -> VectorStoreUnavailable:
    """A response that does not answer the request: an error, never an empty result."""
    return VectorStoreUnavailable(
        f"Pinecone answered something that cannot be read while {tried}; a proxy may stand in between. Try again later"
    )


def _status_error(error: ApiError, tried: str, said: str) -> RowlineError:
    status = error.status_code
    if status in (400, 413, 422):
        return RequestRejected(f"Pinecone refuses what was sent while {tried} (HTTP {status}): {said}")
    if status in (408, 409, 429) or status >= 500:
        what = "asks us to slow down" if status == 429 else f"failed (HTTP {status})"
        return VectorStoreUnavailable(f"Pinecone {what} while {tried}; try again later: {said}")
    if status < 400:
        return unreadable_response(tried)
    if status == 404:
        return _not_found_error(error, tried, said)
    return _client_error(status, tried, said)


def _not_found_error(error: ApiError, tried: str, said: str) -> RowlineError:
    if isinstance(error.body, dict) and error.body.get("code") == GRPC_NOT_FOUND:
        return NamespaceNotFound(f"Pinecone does not find what is named while {tried}: {said}")
    return ConfigurationError(
        f"Pinecone has no such index, as found while {tried} (HTTP 404); check PINECONE_INDEX, and PINECONE_INDEX_HOST "
        "if set"
    )


def _client_error(status: int, tried: str, said: str) -> RowlineError:
    if status == 401:
        return ConfigurationError(
            "Pinecone does not accept PINECONE_API_KEY (HTTP 401); set a key of the index's project"
        )
    return PermanentError(
        f"Pinecone forbids {tried} (HTTP {status}); check the limits of its plan and the rights of PINECONE_API_KEY: "
        f"{said}"
    )


def _reason(said: str, secret: str) -> str:
    """One line of what the service said, without the key."""
    line = " ".join(redact_echo(said, secret).split()) or "no reason given"
    return line if len(line) <= MAX_REASON_LENGTH else f"{line[:MAX_REASON_LENGTH]}…"
