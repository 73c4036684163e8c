"""Permanent and transient errors: the only exceptions that cross a resource boundary.

A message says what was tried, on which key, and what to do; it is shown to people as it stands, so it holds
no secret and no traceback. Programs branch on `code`, which never changes; the wording of messages may.
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Every code that reaches an app or a person. `domain/error_catalog.py` says what each means and what to do."""

    # about the request
    INVALID_REQUEST = "invalid-request"
    MALFORMED_REQUEST = "malformed-request"
    INVALID_USAGE = "invalid-usage"
    NOT_FOUND = "not-found"
    UNKNOWN_ADDRESS = "unknown-address"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    CONFLICT = "conflict"
    TOO_LARGE = "too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    ADDRESS_TOO_LONG = "address-too-long"
    HEADERS_TOO_LARGE = "headers-too-large"
    REQUEST_TIMEOUT = "request-timeout"
    # about who asks
    UNAUTHORIZED = "unauthorized"
    INVALID_SIGNATURE = "invalid-signature"
    FORBIDDEN = "forbidden"
    ORGANIZATION_MISMATCH = "organization-mismatch"
    RATE_LIMITED = "rate-limited"
    # about a file
    UNREADABLE_FILE = "unreadable-file"
    UNSUPPORTED_FORMAT = "unsupported-format"
    PASSWORD_PROTECTED = "password-protected"  # noqa: S105 – a code
    DAMAGED_FILE = "damaged-file"
    EMPTY_FILE = "empty-file"
    FILE_TOO_LARGE = "file-too-large"
    TOO_MANY_COLUMNS = "too-many-columns"
    UNSAFE_FILE = "unsafe-file"
    NO_TABLE = "no-table"
    UNKNOWN_SHEET = "unknown-sheet"
    TEMPLATE_MISMATCH = "template-mismatch"
    # about a document
    VERSION_FAILED = "version-failed"
    NOT_PROCESSED_YET = "not-processed-yet"
    # about this deployment and its services
    CONFIGURATION = "configuration"
    DATABASE_UNAVAILABLE = "database-unavailable"
    DATABASE_OUTDATED = "database-outdated"
    EMBEDDING_SERVICE_UNAVAILABLE = "embedding-service-unavailable"
    EMBEDDING_QUOTA_EXHAUSTED = "embedding-quota-exhausted"
    EMBEDDING_MODEL_UNKNOWN = "embedding-model-unknown"
    EMBEDDING_INPUT_REJECTED = "embedding-input-rejected"
    EMBEDDING_RESULT_EXPIRED = "embedding-result-expired"
    VECTOR_STORE_UNAVAILABLE = "vector-store-unavailable"
    VECTOR_STORE_REJECTED = "vector-store-rejected"
    OBJECT_STORE_UNAVAILABLE = "object-store-unavailable"
    OBJECT_STORE_FULL = "object-store-full"
    OBJECT_MISSING = "object-missing"
    OBJECT_ALTERED = "object-altered"
    OVERLOADED = "overloaded"
    TEMPORARILY_UNAVAILABLE = "temporarily-unavailable"
    OPERATION_FAILED = "operation-failed"
    INTERNAL_ERROR = "internal-error"


class RowlineError(Exception):
    """An error that one sentence explains to a person, and `code` to a program.

    A subclass has the code of its kind; `code=` names a narrower one where no caller needs a subclass.
    """

    code: ErrorCode = ErrorCode.INTERNAL_ERROR

    def __init__(self, message: str = "", *, code: ErrorCode | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class PermanentError(RowlineError):
    """Trying again changes nothing: the input or a setting has to change first."""

    code = ErrorCode.OPERATION_FAILED


class TransientError(RowlineError):
    """The same call may succeed later: a time-out, a rate limit, a restart."""

    code = ErrorCode.TEMPORARILY_UNAVAILABLE


class InvalidRequest(PermanentError):
    """The caller asked for something that does not exist or is not allowed (exit code 2, HTTP 4xx)."""

    code = ErrorCode.INVALID_REQUEST


class NotFound(InvalidRequest):
    """The requested thing does not exist, or belongs to somebody else (HTTP 404)."""

    code = ErrorCode.NOT_FOUND


class Conflict(InvalidRequest):
    """The request does not fit the state that the thing is in (HTTP 409)."""

    code = ErrorCode.CONFLICT


class TooLarge(InvalidRequest):
    """More than is accepted: bytes, rows or items (HTTP 413)."""

    code = ErrorCode.TOO_LARGE


class UnreadableFile(PermanentError):
    """A file that cannot become rows: damaged, encrypted, hostile, empty or without a table."""

    code = ErrorCode.UNREADABLE_FILE


class ConfigurationError(PermanentError):
    """A setting is missing, a placeholder, or does not fit the others."""

    code = ErrorCode.CONFIGURATION


class DatabaseUnavailable(TransientError):
    """The database is out of reach, overloaded, restarting, or gave way to another transaction."""

    code = ErrorCode.DATABASE_UNAVAILABLE


class VectorStoreUnavailable(TransientError):
    """The vector store is out of reach, overloaded, or answered something that cannot be read."""

    code = ErrorCode.VECTOR_STORE_UNAVAILABLE


class ObjectStoreUnavailable(TransientError):
    """The object storage is out of reach, overloaded, or answered something that cannot be read."""

    code = ErrorCode.OBJECT_STORE_UNAVAILABLE
