"""What goes wrong with a database, one sentence each: what was tried, where, and what to do.

A statement's error carries an SQLSTATE. While connecting, libpq passes on the text alone, so the states of those
errors are read off it, in the words of an English server; any other one is shown in the server's own words.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import psycopg

from domain.errors import ConfigurationError, DatabaseUnavailable, ErrorCode, PermanentError, RowlineError
from resources.database.urls import POOLED, shown, user_of
from settings.redaction import Redactor, secrets_of_url

OLDEST_SERVER = 14


class DriverError(Protocol):
    """What psycopg and psycopg2 (which Dagster uses) both raise."""

    @property
    def diag(self) -> Any: ...


class ErrorKind(NamedTuple):
    error: type[RowlineError]
    message: str  # with {where} {user} {setting} {said}
    code: ErrorCode | None = None  # narrower than the error's own


RESTARTING = ErrorKind(DatabaseUnavailable, "The database at {where} is starting or going down ({said}); try again")
REFUSED_PASSWORD = ErrorKind(
    ConfigurationError,
    "The database at {where} refused the password of user {user}; put the right one into {setting}, with % / @ and : "
    "in it percent-encoded",
)
FULL = ErrorKind(
    DatabaseUnavailable,
    "The database at {where} takes no more connections ({said}); lower DATABASE_POOL_SIZE or the number of processes, "
    "or raise its limit",
)
OUT_OF_TIME = ErrorKind(DatabaseUnavailable, "The database at {where} ended a statement that took too long ({said})")
IDLE = ErrorKind(
    DatabaseUnavailable, "The database at {where} ended a connection that was idle too long ({said}); try again"
)
IN_THE_WAY = ErrorKind(
    DatabaseUnavailable, "The database at {where} gave way to another transaction ({said}); try again"
)

BY_STATE = {
    "28P01": REFUSED_PASSWORD,
    "28000": ErrorKind(
        ConfigurationError,
        "The database at {where} does not let user {user} in ({said}); set another user or sslmode in {setting}, or "
        "have a line added to its pg_hba.conf",
    ),
    "role": ErrorKind(
        ConfigurationError, "The database at {where} has no user {user}; create it, or correct {setting}"
    ),
    "3D000": ErrorKind(
        ConfigurationError,
        "There is no database {where} ({said}); create it with CREATE DATABASE, or correct {setting}",
    ),
    "53300": FULL,
    "53100": ErrorKind(
        DatabaseUnavailable, "The disk of the database at {where} is full ({said}); free some, then try again"
    ),
    "53200": ErrorKind(DatabaseUnavailable, "The database at {where} ran out of memory ({said}); try again"),
    "25006": ErrorKind(
        DatabaseUnavailable,
        "The database at {where} is read-only ({said}): a standby, or set so; name the primary in {setting}, or try "
        "again after the failover",
    ),
    "42501": ErrorKind(
        ConfigurationError,
        "User {user} may not do this in the database at {where} ({said}); run `rowline db upgrade --grant-to {user}` "
        "with the address of the owner",
    ),
    "create_extension": ErrorKind(
        ConfigurationError,
        "User {user} may not create the extension in the database at {where} ({said}); run CREATE EXTENSION vector "
        "there once as a superuser",
    ),
    "42P01": ErrorKind(
        PermanentError,
        "The database at {where} lacks a table ({said}); run `rowline db upgrade` with the address of the owner",
        ErrorCode.DATABASE_OUTDATED,
    ),
    "extension": ErrorKind(
        ConfigurationError,
        "The database at {where} has no pgvector ({said}); install it on the server, or set VECTOR_STORE=pinecone",
    ),
    "57014": OUT_OF_TIME,
    "55P03": OUT_OF_TIME,
    "25P04": OUT_OF_TIME,
    "25P03": IDLE,
    "57P05": IDLE,
    "57P01": RESTARTING,
    "57P02": RESTARTING,
    "57P03": RESTARTING,
    "40001": IN_THE_WAY,
    "40P01": IN_THE_WAY,
    "host": ErrorKind(
        ConfigurationError, "The host of the database {where} has no address; correct the name in {setting}"
    ),
    "refused": ErrorKind(
        DatabaseUnavailable,
        "Nobody listens at {where}, the database of {setting}; start it, or correct the host and port",
    ),
    "silent": ErrorKind(
        DatabaseUnavailable,
        "The database at {where} did not answer in time; try again, or see whether a firewall is in the way",
    ),
    "no_tls": ErrorKind(
        ConfigurationError,
        "The database at {where} does not speak TLS, which sslmode in {setting} asks for; turn it on at the server",
    ),
    "tls_name": ErrorKind(
        ConfigurationError,
        "The certificate of the database at {where} is for another host ({said}); use the host name that it names in "
        "{setting}",
    ),
    "tls_ca": ErrorKind(
        ConfigurationError,
        "The certificate of the database at {where} is not signed by the authority in sslrootcert of {setting}, or is "
        "out of date ({said})",
    ),
    "tls_file": ErrorKind(ConfigurationError, "A file for TLS in {setting} cannot be used: {said}"),
    "tls": ErrorKind(
        ConfigurationError, "TLS with the database at {where} failed ({said}); see the ssl… parameters of {setting}"
    ),
    "parameter": ErrorKind(ConfigurationError, "{setting} holds a parameter that is not understood: {said}"),
    "stranger": ErrorKind(
        DatabaseUnavailable,
        "What answers at {where} does not speak like PostgreSQL; see that {setting} names a database, or try again",
    ),
}

# first match wins: where both ways in were tried (with TLS and without), the more useful one stands
_WORDS = (
    ("password authentication failed|no password supplied|SASL authentication failed|authentication failed", "28P01"),
    ('role ".*" does not exist', "role"),
    ("no such user", "role"),
    ('database ".*" does not exist|no such database', "3D000"),
    ("too many connections|too many clients|connection slots are reserved|no more connections allowed", "53300"),
    ("query_wait_timeout", "53300"),
    ("starting up|shutting down|in recovery|administrator command|server_login_retry|server login has been", "57P03"),
    ("permission denied for database", "42501"),
    ("could not translate host name|failed to resolve host|Name or service not known|Unknown host", "host"),
    ("server does not support SSL", "no_tls"),
    ("does not match host name", "tls_name"),
    ("certificate verify failed", "tls_ca"),
    ("(root certificate|certificate|private key|CRL) file|could not load", "tls_file"),
    ("pg_hba.conf|requires? (a valid )?client certificate|TLS required|SSL required", "28000"),
    ("Connection refused|No such file or directory", "refused"),
    ("timeout expired|timed out|No route to host|Network is unreachable", "silent"),
    (
        "invalid .* value|unsupported startup parameter|invalid connection option|unrecognized configuration",
        "parameter",
    ),
    ("expected authentication request|invalid response to SSL|lost synchronization|unexpected response", "stranger"),
    ("SSL error|SSL_connect|tlsv1|sslv3|alert", "tls"),
)
_BY_WORDS = [(re.compile(words, re.IGNORECASE), state) for words, state in _WORDS]
AWAY = ErrorKind(DatabaseUnavailable, "The database at {where} did not answer ({said}); try again")
_PREFIX = re.compile(
    r".*?(?:FATAL|ERROR):\s*|^connection (?:failed|is bad): (?:connection to server .*? failed: )?", re.DOTALL
)


@contextmanager
def translate_errors(url: str, setting: str = POOLED) -> Iterator[None]:
    """Turn a driver's errors about the server, the link or the rights into ours; mistakes in SQL pass as they are."""
    try:
        yield
    except psycopg.DatabaseError as error:
        if not is_ours(error):
            raise failure_of(error, url, setting) from error
        raise


def is_ours(error: psycopg.Error) -> bool:
    """Whether an error is a mistake in our own statements, not of the server, the link or the rights."""
    away = isinstance(error, psycopg.OperationalError | psycopg.errors.InFailedSqlTransaction)
    return not away and state_of(error) not in BY_STATE


def failure_of(error: DriverError, url: str, setting: str = POOLED) -> RowlineError:
    """An error that says in one sentence what a driver's error means and what to do, without a secret."""
    text = (error.diag.message_primary or str(error)).strip()
    kind = BY_STATE.get(state_of(error), AWAY)
    said = Redactor(secrets_of_url(url), strict=True)(_in_one_line(text)) or type(error).__name__
    message = kind.message.format(where=shown(url), user=user_of(url), setting=setting, said=said)
    return kind.error(message, code=kind.code)


def state_of(error: DriverError) -> str:
    """The SQLSTATE, or a word of ours if there is none or it says too little."""
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
    if state in ("0A000", "58P01", "42501") and "extension" in str(error):
        return "create_extension" if state == "42501" else "extension"
    if state in BY_STATE and state != "28000":
        return str(state)
    return next((named for pattern, named in _BY_WORDS if pattern.search(str(error))), str(state))


def old_server(version: int, url: str, setting: str = POOLED) -> ConfigurationError:
    """For a server whose version (as libpq has it: 130004) is too old."""
    return ConfigurationError(
        f"The database at {shown(url)} is PostgreSQL {version // 10_000}; {setting} must name one of version "
        f"{OLDEST_SERVER} or newer"
    )


def _in_one_line(text: str) -> str:
    """What the server said, without libpq's account of how it got there."""
    last = text.splitlines()[-1] if "Multiple connection attempts" in text else text.splitlines()[0] if text else ""
    return _PREFIX.sub("", last, count=1).strip().rstrip(".")
