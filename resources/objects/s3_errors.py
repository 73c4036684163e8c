"""Errors of S3: botocore's errors as ours, with nothing of the response but its error code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from domain.errors import ConfigurationError, ErrorCode, ObjectStoreUnavailable, PermanentError, RowlineError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

MISSING_OBJECT = {"NoSuchKey", "404", "NotFound"}
MISSING_UPLOAD = {"NoSuchUpload"}
CHANGED = {"PreconditionFailed", "412", "ConditionalRequestConflict"}

_KEY = "the access key is not known there; check AWS_ACCESS_KEY_ID, or the profile or role in its place"
_SIGNATURE = "the secret key does not fit the access key; check AWS_SECRET_ACCESS_KEY"
_EXPIRED = "the credentials have expired; renew them (AWS_SESSION_TOKEN, `aws sso login`, or the role)"
_RIGHTS = (
    "the credentials do not allow it; they need s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject and "
    "s3:AbortMultipartUpload"
)
_BUCKET = "there is no such bucket; create it, or correct OBJECT_STORE"
_REGION = "the bucket is in another region{region}; set AWS_DEFAULT_REGION to the bucket's"
_CLOCK = "the clock of this computer is more than 15 minutes off; set it"
_FULL = "the storage there is full or its quota used up; make room or raise the quota, then try again"
_NONE = "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role"
_REACH = "the service could not be reached; check S3_ENDPOINT_URL and the network"
_PROFILE = "the profile of AWS_PROFILE is not in the AWS configuration; correct either"
_CERTIFICATE = "the certificate of the service is not trusted; see AWS_CA_BUNDLE"
_LATE = "the service did not answer in time; try again later"
_CHECKSUM = "the bytes do not fit their checksum; upload the file again"
_BROKEN = "the connection broke; try again"
_ADDRESS = "check OBJECT_STORE, S3_ENDPOINT_URL and AWS_DEFAULT_REGION"

# No retry helps: somebody has to correct the deployment.
_CONFIGURATION_CODES = {
    "InvalidAccessKeyId": _KEY,
    "SignatureDoesNotMatch": _SIGNATURE,
    **dict.fromkeys(("ExpiredToken", "InvalidToken", "TokenRefreshRequired"), _EXPIRED),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden"), _RIGHTS),
    "NoSuchBucket": _BUCKET,
    "InvalidBucketName": _BUCKET,
    **dict.fromkeys(("PermanentRedirect", "TemporaryRedirect", "Redirect", "301", "307"), _REGION),
    **dict.fromkeys(("AuthorizationHeaderMalformed", "IllegalLocationConstraintException"), _REGION),
    "RequestTimeTooSkewed": _CLOCK,
}
_FULL_CODES = {
    *("QuotaExceeded", "InsufficientStorage", "InsufficientCapacity", "StorageFull", "507"),
    *("XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"),
}
_BUSY_CODES = {
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "TooManyRequests",
    "ServiceUnavailable",
}
_ALTERED_CODES = {
    *("BadDigest", "InvalidDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"),
    "RequestTimeout",
}


class StorageFull(PermanentError):
    """The service accepts no more bytes until somebody makes room."""

    code = ErrorCode.OBJECT_STORE_FULL


class AlteredObject(PermanentError):
    """What was read is not what was stored."""

    code = ErrorCode.OBJECT_ALTERED


@contextmanager
def translate_errors(tried: str) -> Iterator[None]:
    """What botocore raises inside the block becomes `<what was tried>: <why>; <what to do>`.

    Without a cause: its text repeats the response, which may hold a key or a signed URL.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise _client_error(error, tried) from None
    except ResponseParserError:
        raise unexpected_response(tried) from None
    except (BotoCoreError, ValueError) as error:
        raise _botocore_error(error, tried) from None


def unexpected_response(tried: str) -> ObjectStoreUnavailable:
    """A response with status 200 that is not one of S3: a proxy or a portal answered."""
    return ObjectStoreUnavailable(
        f"{tried}: the answer is not one of S3; check S3_ENDPOINT_URL and proxies, then try again"
    )


def error_code(error: ClientError) -> str:
    """S3's error code, or the HTTP status; nothing else of the response is ever repeated."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if re.fullmatch(r"\w{1,60}", code) else str(_status(error))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _client_error(error: ClientError, tried: str) -> RowlineError:
    code, status = error_code(error), _status(error)
    if code in _CONFIGURATION_CODES:
        region = str(error.response.get("Error", {}).get("Region", ""))
        named = f" ({region})" if re.fullmatch(r"[a-z0-9-]{1,30}", region) else ""
        return ConfigurationError(f"{tried}: {_CONFIGURATION_CODES[code].format(region=named)}")
    if code in _FULL_CODES or status == 507:
        return StorageFull(f"{tried}: {_FULL}")
    reason = _transient_reason(code, status)
    if reason:
        return ObjectStoreUnavailable(f"{tried}: {reason}")
    return PermanentError(f"{tried}: the service refuses it ({code}); check OBJECT_STORE and S3_ENDPOINT_URL")


def _transient_reason(code: str, status: int) -> str | None:
    """Why a later try may succeed; None if none will."""
    if code in _BUSY_CODES or status in (429, 503):
        return f"the service is busy ({code}); try again later"
    if code in _ALTERED_CODES:
        return f"the bytes did not arrive as they were sent ({code}); try again"
    if code in CHANGED:
        return "it was changed in the meantime; try again"
    if (status >= 500 and status != 501) or status == 409:  # 501: it will never know how
        return f"the service failed ({code}); try again later"
    return None


def _botocore_error(error: Exception, tried: str) -> RowlineError:
    """Errors that botocore raises by itself, before or after the request. The first entry that matches is used."""
    from botocore import exceptions as known

    reasons: list[tuple[tuple[type[Exception], ...], type[RowlineError], str]] = [
        ((known.NoCredentialsError, known.PartialCredentialsError), ConfigurationError, _NONE),
        ((known.ProfileNotFound, known.ConfigNotFound, known.ConfigParseError), ConfigurationError, _PROFILE),
        ((known.CredentialRetrievalError, known.TokenRetrievalError, known.SSOError), ConfigurationError, _EXPIRED),
        ((known.SSLError,), ConfigurationError, _CERTIFICATE),
        ((known.ConnectTimeoutError, known.ReadTimeoutError), ObjectStoreUnavailable, _LATE),
        ((known.EndpointConnectionError, known.ProxyConnectionError), ObjectStoreUnavailable, _REACH),
        ((known.FlexibleChecksumError,), AlteredObject, _CHECKSUM),
        (
            (known.HTTPClientError, known.IncompleteReadError, known.ResponseStreamingError),
            ObjectStoreUnavailable,
            _BROKEN,
        ),
    ]
    for kinds, failure, reason in reasons:
        if isinstance(error, kinds):
            return failure(f"{tried}: {reason}")
    return ConfigurationError(f"{tried}: the request cannot be made ({type(error).__name__}); {_ADDRESS}")
