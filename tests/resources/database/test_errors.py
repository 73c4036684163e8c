"""Each thing that can be wrong with a database is described in one sentence that says what to do, and no password."""

from __future__ import annotations

import psycopg
import pytest

from domain.errors import ConfigurationError, PermanentError, RowlineError, TransientError
from resources.database.connections import Database, connect
from resources.database.schema import schema_is_current, upgrade
from tests.resources.database.conftest import IN_URL, PASSWORD
from tests.stand_ins.faults import Fault
from tests.stand_ins.postgres_proxy import PostgresProxy


def failure(url: str, statement: str = "SELECT 1") -> RowlineError:
    with pytest.raises(RowlineError) as caught, connect(url) as connection:
        connection.execute(statement)  # type: ignore[call-overload]
    error = str(caught.value)
    assert "\n" not in error
    assert PASSWORD not in error
    assert IN_URL not in error
    return caught.value


def test_a_wrong_password(proxy: PostgresProxy):
    error = failure(proxy.url("team_app", "wr0ng"))
    assert isinstance(error, ConfigurationError)
    assert f"127.0.0.1:{proxy.port}/" in str(error)
    assert "refused the password of user team_app; put the right one into DATABASE_URL" in str(error)
    assert "wr0ng" not in str(error)


def test_the_setting_that_is_wrong_is_named(proxy: PostgresProxy):
    with pytest.raises(ConfigurationError, match="put the right one into DATABASE_DIRECT_URL"):
        schema_is_current(proxy.url("team_app", "wr0ng"), setting="DATABASE_DIRECT_URL")


def test_no_password_where_one_is_needed(proxy: PostgresProxy):
    assert "refused the password of user team_app" in str(failure(proxy.url("team_app")))


def test_an_unknown_user(proxy: PostgresProxy):
    error = failure(proxy.url("nobody_here"))
    assert isinstance(error, ConfigurationError)
    assert "has no user nobody_here; create it, or correct DATABASE_URL" in str(error)


def test_an_unknown_database(proxy: PostgresProxy):
    error = failure(f"postgresql://postgres@127.0.0.1:{proxy.port}/not_there")
    assert isinstance(error, ConfigurationError)
    assert str(error).startswith(f"There is no database 127.0.0.1:{proxy.port}/not_there (")


def test_a_user_who_is_not_let_in(proxy: PostgresProxy):
    error = failure(proxy.url("team_refused", IN_URL))
    assert isinstance(error, ConfigurationError)
    assert "does not let user team_refused in" in str(error)
    assert "pg_hba.conf" in str(error)


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        (
            "postgresql://u:s3cret%2Fp%40ss@no-such-host.invalid/db",
            ConfigurationError,
            "no-such-host.invalid:5432/db has no",
        ),
        ("postgresql://u:s3cret%2Fp%40ss@127.0.0.1:1/db", TransientError, "Nobody listens at 127.0.0.1:1/db"),
        ("postgresql://u@/db?host=/nowhere", TransientError, "Nobody listens at /nowhere:5432/db"),
        ("postgresql://u@127.0.0.1:1/db?sslmode=nonsense", ConfigurationError, "parameter that is not understood"),
        ("postgresql://u@127.0.0.1:1/db?sslmode=verify-full&sslrootcert=/no.pem", TransientError, "Nobody listens"),
    ],
)
def test_an_address_that_leads_nowhere(url: str, kind: type[Exception], words: str):
    error = failure(url)
    assert isinstance(error, kind)
    assert words in str(error)


@pytest.mark.parametrize(
    ("kind", "expected", "words"),
    [
        ("quota_full", TransientError, "takes no more connections (sorry, too many clients already); lower DATABASE"),
        ("unavailable", TransientError, "is starting or going down (the database system is starting up)"),
        ("garbage", TransientError, "does not speak like PostgreSQL"),
        ("reset_before", TransientError, "did not answer"),
        ("truncated", TransientError, "did not answer"),
    ],
)
def test_a_server_that_lets_nobody_in(proxy: PostgresProxy, kind: str, expected: type[Exception], words: str):
    proxy.faults.append(Fault(kind, "connect", always=True))
    error = failure(proxy.url())
    assert isinstance(error, expected)
    assert words in str(error)


def test_a_server_that_stays_silent(proxy: PostgresProxy):
    proxy.faults.append(Fault("timeout", "connect", always=True))
    error = failure(proxy.url(query="?connect_timeout=2"))  # the least that libpq has
    assert isinstance(error, TransientError)
    assert "did not answer in time" in str(error)


def test_too_many_connections_of_a_user(proxy: PostgresProxy):
    error = failure(proxy.url("team_crowd", IN_URL))
    assert isinstance(error, TransientError)
    assert "DATABASE_POOL_SIZE" in str(error)


RAISED = "DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{}'; END $$"


@pytest.mark.parametrize(
    ("statement", "expected", "words"),
    [
        ("SET statement_timeout = 20; SELECT pg_sleep(10)", TransientError, "took too long (canceling statement"),
        ("SET lock_timeout = 20; LOCK documents", TransientError, "took too long (canceling statement due to lock"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", TransientError, "is starting or going down (terminating"),
        ("SELECT * FROM not_there", PermanentError, 'lacks a table (relation "not_there" does not exist); run `rowl'),
        (RAISED.format("53100"), TransientError, "The disk of the database at"),
        (RAISED.format("53200"), TransientError, "ran out of memory"),
        (RAISED.format("40P01"), TransientError, "gave way to another transaction"),
        (RAISED.format("57P05"), TransientError, "was idle too long"),
        ("CREATE EXTENSION not_there", ConfigurationError, "VECTOR_STORE=pinecone"),
    ],
)
def test_a_statement_that_the_server_ends(database_url: str, statement: str, expected: type[Exception], words: str):
    with psycopg.connect(database_url) as other:
        other.execute("LOCK documents IN ACCESS SHARE MODE")
        error = failure(database_url, statement)
    assert isinstance(error, expected)
    assert words in str(error)


def test_a_mistake_of_our_own_stays_one(database_url: str):
    """A statement that can never work must not be tried again as if the server were away."""
    with pytest.raises(psycopg.errors.SyntaxError), connect(database_url) as connection:
        connection.execute("SELEC 1")


def test_a_read_only_server(proxy: PostgresProxy):
    """A standby, or a primary whose disk is nearly full: managed databases are set so."""
    error = failure(proxy.url("team_reader", IN_URL), "CREATE TABLE t ()")
    assert isinstance(error, TransientError)
    assert "is read-only (cannot execute CREATE TABLE in a read-only transaction)" in str(error)


def test_a_missing_privilege(proxy: PostgresProxy):
    error = failure(proxy.url("team_app", IN_URL), "DELETE FROM documents")
    assert isinstance(error, ConfigurationError)
    assert "User team_app may not do this" in str(error)
    assert "(permission denied for table documents); run `rowline db upgrade --grant-to team_app`" in str(error)


def test_a_server_that_is_too_old(proxy: PostgresProxy):
    proxy.rewrites.append((b"server_version\x0018.", b"server_version\x0013."))
    with pytest.raises(
        ConfigurationError, match=r"is PostgreSQL 13; DATABASE_URL must name one of version 14 or newer"
    ):
        schema_is_current(proxy.url())


def test_a_migration_that_may_not_change_the_schema(team_server: str, empty_database_url: str):
    """Alembic's and SQLAlchemy's own words would show the whole migration."""
    with PostgresProxy(empty_database_url) as proxy, pytest.raises(ConfigurationError) as caught:
        upgrade(proxy.url("team_app", IN_URL))
    assert "permission denied for schema public" in str(caught.value)
    assert "CREATE TABLE" not in str(caught.value)
    with PostgresProxy(empty_database_url) as proxy, pytest.raises(ConfigurationError) as caught:
        upgrade(proxy.url("team_app", "wr0ng"))
    assert "refused the password" in str(caught.value)
    assert "sqlalche" not in str(caught.value)


def test_a_user_who_may_not_create_the_extension(team_server: str, empty_database_url: str):
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("GRANT ALL ON SCHEMA public TO team_app")
    with (
        PostgresProxy(empty_database_url) as proxy,
        pytest.raises(ConfigurationError, match="run CREATE EXTENSION vector"),
    ):
        upgrade(proxy.url("team_app", IN_URL))
    assert not schema_is_current(empty_database_url)


def test_a_pool_whose_connections_are_all_busy_says_so(database_url: str):
    database = Database(database_url, pool_size=1, pool_seconds=1)
    with (
        database.transaction(),
        pytest.raises(TransientError, match=r"All 1 connections .* stayed busy; .* raise DATABASE_POOL_SIZE"),
        database.transaction(),
    ):
        pass
    database.close()


def test_a_pool_that_gets_no_connection_says_why(proxy: PostgresProxy):
    database = Database(proxy.url("team_app", "wr0ng"), pool_seconds=0.3)
    with pytest.raises(ConfigurationError, match="refused the password"), database.transaction():
        pass
    database.close()
