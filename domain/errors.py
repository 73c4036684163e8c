"""Permanent and transient failures: the only exceptions that cross a resource boundary.

A message says what was tried, on which key, and what to do; it is shown to people as it stands, so it holds
no secret and no traceback.
"""


class RowlineError(Exception):
    """Something a person can be told in one sentence."""


class PermanentError(RowlineError):
    """Trying again changes nothing: the input or a setting has to change first."""


class TransientError(RowlineError):
    """The same call may succeed later: a time-out, a rate limit, a restart."""


class InvalidRequest(PermanentError):
    """The caller asked for something that is not there or not allowed (exit code 2, HTTP 4xx)."""


class NotFound(InvalidRequest):
    """What was asked for is not there, or belongs to somebody else (HTTP 404)."""


class Conflict(InvalidRequest):
    """What was asked for does not fit the state that the thing is in (HTTP 409)."""


class TooLarge(InvalidRequest):
    """More than is accepted: bytes, rows or items (HTTP 413)."""


class UnreadableFile(PermanentError):
    """A file that cannot become rows: damaged, encrypted, hostile, empty or without a table."""


class ConfigurationError(PermanentError):
    """A setting is missing, a placeholder, or does not fit the others."""
