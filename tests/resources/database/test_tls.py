"""TLS as the address asks for it, alike for the ledger (psycopg), migrations (Alembic) and Dagster (psycopg2)."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from domain.errors import ConfigurationError
from resources.dagster_instance.storage import create_tables
from resources.database.connections import Database, connect
from resources.database.inspection import Inspection
from resources.database.schema import schema_is_current, upgrade
from tests.stand_ins.certificates import Authority
from tests.stand_ins.postgres_proxy import PostgresProxy

NOW = datetime.now(UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "Team CA", NOW)


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "Somebody else's CA", NOW)


def address(proxy: PostgresProxy, **parameters: object) -> str:
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in parameters.items())
    return proxy.url(host="localhost", query=f"?{query}")


def refusal(url: str) -> str:
    """The error of a connection to the ledger, which must be that of the migrations'."""
    with pytest.raises(ConfigurationError) as caught, connect(url):
        pass
    with pytest.raises(ConfigurationError) as migrating:
        upgrade(url)
    assert str(migrating.value) == str(caught.value)
    return str(caught.value)


def test_every_driver_verifies_the_server(authority: Authority, empty_database_url: str):
    with PostgresProxy(empty_database_url, tls=authority.server("localhost")) as proxy:
        url = address(proxy, sslmode="verify-full", sslrootcert=authority.file)
        upgrade(url)
        create_tables(url)
        assert schema_is_current(url)
        assert Inspection(url).missing_dagster_tables() == []
        assert Inspection(url).server().tls
        database = Database(url)
        with database.transaction() as connection:
            assert connection.pgconn.ssl_in_use
        database.close()
        assert proxy.plain == 0


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_an_authority_that_nobody_vouches_for(authority: Authority, stranger: Authority, database_url: str, mode: str):
    with PostgresProxy(database_url, tls=stranger.server("localhost")) as proxy:
        message = refusal(address(proxy, sslmode=mode, sslrootcert=authority.file))
    assert "is not signed by the authority in sslrootcert of DATABASE_URL, or is out of date" in message


def test_dagsters_driver_refuses_it_too(authority: Authority, stranger: Authority, database_url: str):
    """It is asked by itself: a mode lost on the way would let it in."""
    import sqlalchemy

    from resources.database.urls import sqlalchemy_url

    with PostgresProxy(database_url, tls=stranger.server("localhost")) as proxy:
        url = address(proxy, sslmode="verify-full", sslrootcert=authority.file)
        engine = sqlalchemy.create_engine(sqlalchemy_url(url, "psycopg2"), poolclass=sqlalchemy.pool.NullPool)
        with pytest.raises(sqlalchemy.exc.OperationalError, match="certificate verify failed"):
            engine.connect()


def test_a_certificate_that_is_out_of_date(authority: Authority, database_url: str):
    expired = authority.server("localhost", until=NOW - timedelta(days=2))
    with PostgresProxy(database_url, tls=expired) as proxy:
        message = refusal(address(proxy, sslmode="verify-full", sslrootcert=authority.file))
    assert "or is out of date" in message


def test_a_certificate_of_another_host(authority: Authority, database_url: str):
    with PostgresProxy(database_url, tls=authority.server("db.example")) as proxy:
        message = refusal(address(proxy, sslmode="verify-full", sslrootcert=authority.file))
        assert "is for another host" in message
        assert "db.example" in message
        with connect(address(proxy, sslmode="verify-ca", sslrootcert=authority.file)) as connection:
            assert connection.pgconn.ssl_in_use


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_a_server_without_tls(authority: Authority, database_url: str, mode: str):
    with PostgresProxy(database_url) as proxy:
        message = refusal(address(proxy, sslmode=mode, sslrootcert=authority.file))
    assert "does not speak TLS, which sslmode in DATABASE_URL asks for" in message


def test_an_authority_file_that_is_not_there(authority: Authority, database_url: str):
    with PostgresProxy(database_url, tls=authority.server("localhost")) as proxy:
        message = refusal(address(proxy, sslmode="verify-full", sslrootcert="/not/there.pem"))
    assert (
        'A file for TLS in DATABASE_URL cannot be used: root certificate file "/not/there.pem" does not exist'
        in message
    )


def test_a_server_that_wants_a_certificate_of_ours(authority: Authority, stranger: Authority, database_url: str):
    certificate, key = stranger.sign("rowline_app")
    tls = authority.server("localhost", clients=stranger)
    tls.maximum_version = ssl.TLSVersion.TLSv1_2  # in 1.3 a client learns of it only from its first read
    with PostgresProxy(database_url, tls=tls) as proxy:
        known = {"sslmode": "verify-full", "sslrootcert": authority.file}
        with connect(address(proxy, **known, sslcert=certificate, sslkey=key)) as connection:
            assert connection.pgconn.ssl_in_use
        assert "failed (" in refusal(address(proxy, **known))
        key.chmod(0o644)
        message = refusal(address(proxy, **known, sslcert=certificate, sslkey=key))
        assert "A file for TLS in DATABASE_URL cannot be used: private key file" in message
