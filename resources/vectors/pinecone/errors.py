"""Troubles with Pinecone: the SDK's errors in our grammar, with nothing secret in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.errors import ConfigurationError, PermanentError, RowlineError, TransientError
from settings.redaction import Redactor

if TYPE_CHECKING:
    from pinecone.errors import ApiError, PineconeError

LONGEST_REASON = 300
NOT_FOUND = 5  # grpc's code for a thing inside the index; an index that is gone has no code


class Refused(PermanentError):
    """The service does not take what a request holds: too large, or something in it is wrong."""


class NoNamespace(PermanentError):
    """The namespace is not there, which a delete takes for done."""


def explain(error: PineconeError, tried: str, secret: str) -> RowlineError:
    """What happened and what to do, where `tried` is what we did ("upserting into namespace org_acme").

    To be raised outside of the `except`: the SDK's error repeats what the service said, and is not to hang on ours.
    """
    from pinecone.errors import ApiError, PineconeConnectionError, PineconeTimeoutError, ResponseParsingError

    if isinstance(error, PineconeTimeoutError):
        return TransientError(f"Pinecone did not answer in time while {tried}; try again later")
    if isinstance(error, PineconeConnectionError):
        return TransientError(
            f"Pinecone could not be reached, or did not answer to the end, while {tried}; check the network, and "
            "PINECONE_INDEX_HOST and PINECONE_CONTROLLER_HOST if set"
        )
    if isinstance(error, ResponseParsingError):
        return unreadable(tried)
    if isinstance(error, ApiError):
        return _answered(error, tried, _reason(error.message, secret))
    return Refused(f"The Pinecone SDK refuses to send while {tried}: {_reason(str(error), secret)}")


def unreadable(tried: str) -> TransientError:
    """An answer that says nothing about what was asked: never taken for an empty one (law 8)."""
    return TransientError(
        f"Pinecone answered something that cannot be read while {tried}; a proxy may stand in between. Try again later"
    )


def _answered(error: ApiError, tried: str, said: str) -> RowlineError:
    status = error.status_code
    if status in (400, 413, 422):
        return Refused(f"Pinecone refuses what was sent while {tried} (HTTP {status}): {said}")
    if status in (408, 409, 429) or status >= 500:
        what = "asks us to slow down" if status == 429 else f"failed (HTTP {status})"
        return TransientError(f"Pinecone {what} while {tried}; try again later: {said}")
    if status < 400:
        return unreadable(tried)
    if status == 404:
        return _not_found(error, tried, said)
    return _forbidden(status, tried, said)


def _not_found(error: ApiError, tried: str, said: str) -> RowlineError:
    if isinstance(error.body, dict) and error.body.get("code") == NOT_FOUND:
        return NoNamespace(f"Pinecone does not find what is named while {tried}: {said}")
    return ConfigurationError(
        f"Pinecone has no such index, as found while {tried} (HTTP 404); check PINECONE_INDEX, and PINECONE_INDEX_HOST "
        "if set"
    )


def _forbidden(status: int, tried: str, said: str) -> RowlineError:
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
    line = " ".join(Redactor([secret])(said).split()) or "no reason given"
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]}…"
