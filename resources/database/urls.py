"""Where the database is: the addresses of the settings, in the spelling of each library."""

import getpass
from urllib.parse import quote, urlencode

import psycopg

from resources.database.embedded import EmbeddedServer
from settings.settings import Settings

POOLED, DIRECT = "DATABASE_URL", "DATABASE_DIRECT_URL"
# What libpq leaves open for ever. A link that died in silence is noticed within two minutes.
LIMITS = {"connect_timeout": "10", "keepalives_idle": "60", "keepalives_interval": "15", "keepalives_count": "4"}


def database_url(settings: Settings) -> str:
    """`postgresql://…` of the database in use; starts the embedded server if none is set.

    The embedded server is shared by all processes of one ROWLINE_HOME and stops with the last of them.
    Raises PermanentError if it does not start.
    """
    if settings.database_url:
        return settings.database_url.get_secret_value()
    return EmbeddedServer.of(settings).url()


def direct_url(settings: Settings) -> str:
    """The same database past PgBouncer, if DATABASE_DIRECT_URL names it; else the address in use."""
    if settings.database_direct_url:
        return settings.database_direct_url.get_secret_value()
    return database_url(settings)


def direct_setting(settings: Settings) -> str:
    """Name of the setting that `direct_url` comes from."""
    return DIRECT if settings.database_direct_url else POOLED


def with_limits(url: str) -> dict[str, str]:
    """The parts of the address, with a time limit where it sets none: what every driver over libpq accepts."""
    given = {key: str(value) for key, value in psycopg.conninfo.conninfo_to_dict(url).items()}
    return LIMITS | given


def shown(url: str) -> str:
    """`host:port/database` of an address, for people: never its user's password."""
    parts = psycopg.conninfo.conninfo_to_dict(url)
    host = parts.get("host") or parts.get("hostaddr") or "the local socket"
    return f"{host}:{parts.get('port') or 5432}/{parts.get('dbname') or user_of(url)}"


def user_of(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url).get("user") or getpass.getuser())


def sqlalchemy_url(url: str, driver: str = "psycopg") -> str:
    """The same address in SQLAlchemy's spelling, with the driver named (a bare postgresql:// is ambiguous).

    Every parameter of libpq (sslmode, several hosts, time limits) reaches the driver as it stands; the password is
    where SQLAlchemy hides it.
    """
    parts = with_limits(url)
    user, password, name = (quote(parts.pop(key, ""), safe="") for key in ("user", "password", "dbname"))
    account = f"{user}:{password}@" if password else f"{user}@" if user else ""
    return f"postgresql+{driver}://{account}/{name}?{urlencode(parts, quote_via=quote)}"
