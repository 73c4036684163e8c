"""What a database is like, for `rowline doctor`: read, never changed."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import psycopg

from resources.database.connections import Connection, connect
from resources.database.grants import VERSION_TABLES
from resources.database.urls import POOLED, shown
from settings.settings import PROJECT_ROOT
from settings.values import is_loopback

# one of each of Dagster's three storages
DAGSTER_TABLES = ("runs", "event_logs", "instigators", "daemon_heartbeats")
# the lists of migrations are for the owner to write
RIGHTS = """
SELECT c.relname AS name, needed.lacking, pg_has_role(c.relowner, 'USAGE') AS owns
  FROM pg_class ledger
  JOIN pg_class c ON c.relnamespace = ledger.relnamespace AND c.relowner = ledger.relowner
   AND c.relkind IN ('r', 'p', 'S')
  LEFT JOIN LATERAL (
       SELECT wanted AS lacking FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wanted
        WHERE c.relkind <> 'S' AND NOT has_table_privilege(c.oid, wanted)
          AND (wanted = 'SELECT' OR c.relname <> ALL(%s))
       UNION ALL
       SELECT 'USAGE' WHERE c.relkind = 'S' AND NOT has_sequence_privilege(c.oid, 'USAGE')) AS needed ON true
 WHERE ledger.oid = to_regclass('rowline_migrations') ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Server:
    """The server as it introduces itself; `version` as libpq has it (140005), `milliseconds` to connect and ask."""

    version: int
    user: str
    tls: bool
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Migrations:
    """Revisions that are not applied yet, and applied ones that this code does not know."""

    waiting: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rights:
    """What the role lacks, as `INSERT on versions`, and whether it may drop the ledger's tables."""

    lacking: tuple[str, ...]
    may_drop: bool


class Inspection:
    """Questions to one database, each on a connection of its own; two at a time, for others need some too."""

    def __init__(self, url: str, setting: str = POOLED, clock: Callable[[], float] = time.monotonic) -> None:
        self.url, self._setting, self._clock = url, setting, clock
        self._slots = threading.BoundedSemaphore(2)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._slots, connect(self.url, self._setting) as connection:
            yield connection

    @property
    def place(self) -> str:
        return shown(self.url)

    @cached_property
    def is_local(self) -> bool:
        """Whether the address leads nowhere else than to this computer."""
        parts = psycopg.conninfo.conninfo_to_dict(self.url)
        host = str(parts.get("hostaddr") or parts.get("host") or "")
        return not host or host.startswith(("/", "@")) or is_loopback(host)

    @cached_property
    def verifies_server(self) -> bool:
        """Whether the server's certificate is compared with an authority."""
        return str(psycopg.conninfo.conninfo_to_dict(self.url).get("sslmode", "")).startswith("verify-")

    def server(self) -> Server:
        started = self._clock()
        with self._connected() as connection:
            row = connection.execute("SELECT current_user AS name").fetchone()
            assert row is not None
            tls = bool(connection.pgconn.ssl_in_use)
            version = connection.info.server_version
        return Server(version, row["name"], tls, (self._clock() - started) * 1000)

    def ahead_of(self, clock: Callable[[], datetime]) -> timedelta:
        """How far the server's clock is ahead of another one, give or take half the time of the question."""
        with self._connected() as connection:
            before = clock()
            row = connection.execute("SELECT clock_timestamp() AS now").fetchone()
            after = clock()
        assert row is not None
        there: datetime = row["now"]
        return there - (before + (after - before) / 2)

    def identity(self) -> tuple[int, datetime]:
        """Which database of which server it is, whatever the way there."""
        with self._connected() as connection:
            row = connection.execute(
                "SELECT oid, pg_postmaster_start_time() AS started FROM pg_database WHERE datname = current_database()"
            ).fetchone()
        assert row is not None
        return row["oid"], row["started"]

    def extension(self, name: str) -> tuple[str | None, str | None]:
        """Its version in this database, and the one that the server could install; None if there is none."""
        with self._connected() as connection:
            row = connection.execute(
                "SELECT (SELECT extversion FROM pg_extension WHERE extname = %(name)s) AS here, "
                "(SELECT default_version FROM pg_available_extensions WHERE name = %(name)s) AS offered",
                {"name": name},
            ).fetchone()
        assert row is not None
        return row["here"], row["offered"]

    def migrations(self, branches: tuple[str, ...]) -> Migrations:
        """Where the schema stands, compared with the newest migrations of these branches."""
        from alembic.script import ScriptDirectory

        script = ScriptDirectory(str(PROJECT_ROOT / "migrations"))
        known = {revision.revision for revision in script.walk_revisions()}
        target = {
            revision.revision for branch in branches for revision in script.iterate_revisions(f"{branch}@head", "base")
        }
        applied = self._applied()
        applied_before = {
            revision.revision for head in applied & known for revision in script.iterate_revisions(head, "base")
        }
        return Migrations(tuple(sorted(target - applied_before)), tuple(sorted(applied - known)))

    def _applied(self) -> set[str]:
        with self._connected() as connection:
            row = connection.execute("SELECT to_regclass('rowline_migrations') IS NOT NULL AS made").fetchone()
            if not row or not row["made"]:
                return set()
            return {row["version_num"] for row in connection.execute("SELECT version_num FROM rowline_migrations")}

    def rights(self) -> Rights:
        """What the role may do with what lies beside the list of migrations and belongs to the same owner."""
        with self._connected() as connection:
            rows = connection.execute(RIGHTS, (list(VERSION_TABLES),)).fetchall()
            temporary = connection.execute(
                "SELECT has_database_privilege(current_database(), 'TEMP') AS may"
            ).fetchone()
        lacking = [f"{row['lacking']} on {row['name']}" for row in rows if row["lacking"]]
        if not temporary or not temporary["may"]:
            lacking.append("TEMPORARY on the database")
        return Rights(tuple(lacking), any(row["owns"] for row in rows))

    def missing_dagster_tables(self) -> list[str]:
        with self._connected() as connection:
            rows = connection.execute(
                "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NULL", (list(DAGSTER_TABLES),)
            ).fetchall()
        return [row["name"] for row in rows]
