"""Connections to the ledger: a small pool for transactions, and a few of their own for locks and LISTEN."""

import math
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from domain.errors import DatabaseUnavailable
from resources.database import locks
from resources.database.errors import translate_errors
from resources.database.locks import LockKind
from resources.database.urls import POOLED, shown, with_limits

T = TypeVar("T")
RESPONSE_TIMEOUT_SECONDS = 900.0  # longer than any statement of ours; a server that hangs is left after it
FRESH_SECONDS = 0.5  # one that answered so lately is not checked: the check would be a quarter of all round trips
TRANSACTION_TIMEOUT_SINCE = 170_000


class Connection(psycopg.Connection[DictRow]):
    """A connection that does not wait for ever: libpq itself has no time limit for an answer."""

    answer_seconds: float | None = None
    answered_at: float = -math.inf

    def has_input(self) -> bool:
        """Whether something was received: between two transactions, its end or a warning of it. No round trip."""
        return self.closed or _readable(self.fileno())

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return super().wait(gen, interval, timeout if timeout is not None else self.answer_seconds)
        except psycopg.Error as error:
            if timeout is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # a late answer could be taken for the next statement's
            if error.sqlstate is None and self.broken and not isinstance(error, psycopg.OperationalError):
                # what was received makes no sense: the driver's errors come in any class
                raise psycopg.OperationalError(str(error)) from error
            raise


def _readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def without_time_limit(connection: Connection) -> None:
    """Lift the server's time limits for this transaction: a lock may be held, and a cursor read, as long as a document
    takes. A pooler in between reports the server's version, not its own."""
    limits = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
    if connection.info.server_version >= TRANSACTION_TIMEOUT_SINCE:
        limits.append("transaction_timeout")
    connection.execute("; ".join(f"SET LOCAL {limit} = 0" for limit in limits))


@contextmanager
def connect(url: str, setting: str = POOLED, autocommit: bool = False) -> Iterator[Connection]:
    """A connection of its own, outside any pool, whose errors are raised as ours."""
    with (
        translate_errors(url, setting),
        Connection.connect(**options(url), autocommit=autocommit, row_factory=dict_row) as connection,
    ):
        yield connection


def options(url: str) -> dict[str, Any]:
    """How we connect: PgBouncer's next server process would not know a statement prepared in this one."""
    return {**with_limits(url), "prepare_threshold": None}


class Database:
    """A small pool of connections that return rows as dictionaries.

    `direct_url` is the same database past PgBouncer: for what waits long, so that it holds no place of the pooler's.
    """

    def __init__(
        self,
        url: str,
        pool_size: int = 8,
        direct_url: str | None = None,
        direct_setting: str = POOLED,
        pool_seconds: float = 30.0,
        answer_seconds: float = RESPONSE_TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url, self.pool_size = url, pool_size
        self.direct_url, self._direct_setting = direct_url or url, direct_setting
        self._pool_seconds, self._answer_seconds, self._clock = pool_seconds, answer_seconds, clock
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            connection_class=Connection,
            kwargs={**options(url), "row_factory": dict_row},
            min_size=0,
            max_size=pool_size,
            open=True,
            reconnect_timeout=pool_seconds,
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back by an exception.

        Raises TransientError if the server is away or gave the transaction up, and the other errors of `errors`.
        """
        # started here: else the first inner `connection.transaction()` would be the outermost one and commit too early
        with translate_errors(self.url), self._pooled() as connection, connection.transaction():
            yield connection

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """For a single read, which the server makes a transaction of its own: one round trip instead of three.

        Raises what `transaction` does.
        """
        with translate_errors(self.url), self._pooled() as connection:
            connection.autocommit = True
            try:
                yield connection
            finally:
                if connection.info.transaction_status == TransactionStatus.IDLE:
                    connection.autocommit = False
                else:  # interrupted, or dead: its state is unknown
                    connection.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction for a long read by a cursor: it is idle for as long as somebody else works on a page.

        No time limit of the server ends it; a server that does not answer is given up after `answer_seconds`.
        """
        with self.transaction() as connection:
            without_time_limit(connection)
            yield connection

    @contextmanager
    def _pooled(self) -> Iterator[Connection]:
        try:
            connection = self._living()
        except PoolTimeout as error:
            with connect(self.url):  # raises the reason, if it is the server
                pass
            raise DatabaseUnavailable(
                f"All {self.pool_size} connections of this process to {shown(self.url)} stayed busy; try again, or "
                "raise DATABASE_POOL_SIZE"
            ) from error
        try:
            yield connection
            connection.answered_at = self._clock()
        finally:
            self._pool.putconn(connection)

    def _living(self) -> Connection:
        """A connection that answers. Those that died in the pool are dropped, one after the other without a pause."""
        deadline = self._clock() + self._pool_seconds
        while True:
            connection = self._pool.getconn(deadline - self._clock())
            if self._clock() - connection.answered_at < FRESH_SECONDS and not connection.has_input():
                return connection
            connection.answer_seconds = self._pool_seconds
            try:
                ConnectionPool.check_connection(connection)
            except psycopg.OperationalError:
                self._pool.putconn(connection)
            else:
                connection.answer_seconds = self._answer_seconds
                return connection

    def session(self) -> AbstractContextManager[Connection]:
        """A connection of its own in autocommit mode, past PgBouncer if the direct address is known: for LISTEN."""
        return connect(self.direct_url, self._direct_setting, autocommit=True)

    @contextmanager
    def lock(self, kind: LockKind, name: str) -> Iterator[None]:
        """Held by one at a time for the block, on a connection of its own; ends with the process at the latest."""
        with connect(self.direct_url, self._direct_setting) as connection, connection.transaction():
            without_time_limit(connection)
            locks.lock(connection, kind, name)
            yield

    @contextmanager
    def try_locks(self, kind: LockKind, names: Sequence[str]) -> Iterator[set[str]]:
        """Those of the locks that are free now, held together for the block; waits for none."""
        with connect(self.direct_url, self._direct_setting) as connection, connection.transaction():
            without_time_limit(connection)
            yield locks.try_locks(connection, kind, names)

    def is_locked(self, kind: LockKind, name: str) -> bool:
        """Whether somebody holds that `lock` now. The check itself holds it, shared, for one statement."""
        with self.statement() as connection:
            return not locks.try_lock_shared(connection, kind, name)

    def close(self) -> None:
        self._pool.close()
