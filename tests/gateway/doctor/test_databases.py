"""The database's server: its age, pgvector, and whether the way to it can be read by others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from domain.errors import ConfigurationError
from gateway.doctor import databases
from gateway.doctor.context import Context
from gateway.doctor.results import State
from resources.database.inspection import Inspection
from settings.settings import Settings
from settings.values import is_loopback
from tests.conftest import named
from tests.stand_ins.certificates import Authority
from tests.stand_ins.postgres_proxy import PostgresProxy

Opened = Callable[..., Context]


@pytest.fixture
def opened(clean_environment: Path, database_url: str) -> Opened:
    def opened(production: bool = False, **settings: object) -> Context:
        return Context(Settings(**{"database_url": database_url} | settings), production=production)

    return opened


def elsewhere(context: Context) -> Context:
    """The same, as if the server were on another computer."""
    context.services.inspection.__dict__["is_local"] = False
    return context


def test_a_server_that_is_too_old_is_named(opened: Opened, database_url: str):
    with PostgresProxy(database_url) as proxy:
        proxy.rewrites.append((b"server_version\x0018.", b"server_version\x0013."))
        with pytest.raises(
            ConfigurationError, match="is PostgreSQL 13; DATABASE_URL must name one of version 14 or newer"
        ):
            databases.server(opened(database_url=proxy.url()))


def test_an_unencrypted_way_to_another_computer_is_told(opened: Opened):
    assert databases.tls(opened(production=True)).state == "ok"
    assert databases.tls(elsewhere(opened())).state == "warning"
    told = databases.tls(elsewhere(opened(production=True)))
    assert (told.state, "is not encrypted" in told.message) == ("failed", True)
    assert "sslmode=verify-full" in str(told.remedy)


@pytest.mark.parametrize(("mode", "state"), [("require", "warning"), ("verify-full", "ok")])
def test_an_encrypted_way_should_end_at_the_right_server(
    opened: Opened, database_url: str, tmp_path: Path, mode: str, state: State
):
    """A certificate that nobody looks at protects from listeners only."""
    authority = Authority(tmp_path, "Team CA", datetime.now(UTC))
    with PostgresProxy(database_url, tls=authority.server("localhost")) as proxy:
        root = f"&sslrootcert={quote(str(authority.file), safe='')}" if mode == "verify-full" else ""
        url = proxy.url(host="localhost", query=f"?sslmode={mode}{root}")
        assert databases.tls(elsewhere(opened(production=True, database_url=url))).state == state


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("postgresql:///rowline?host=/run/postgresql", True),
        ("postgresql://127.0.0.1:5432/rowline", True),
        ("postgresql://localhost/rowline", True),
        ("postgresql://[::1]/rowline", True),
        ("postgresql://db.internal/rowline", False),
        ("postgresql://10.0.0.5/rowline", False),
        ("postgresql://localhost/rowline?hostaddr=10.0.0.5", False),
    ],
)
def test_where_an_address_leads(address: str, local: bool):
    assert Inspection(address).is_local is local


def test_names_of_this_computer():
    assert [is_loopback(host) for host in ("localhost", "app.localhost", "127.9.9.9", "localhost.evil.example")] == [
        True,
        True,
        True,
        False,
    ]


def test_pgvector_that_is_not_in_the_database_is_told_only_where_it_is_needed(opened: Opened, empty_database_url: str):
    assert databases.pgvector(opened()).state == "ok"
    told = databases.pgvector(opened(database_url=empty_database_url))
    assert (told.state, "CREATE EXTENSION vector" in str(told.remedy)) == ("warning", True)
    assert databases.pgvector(opened(production=True, database_url=empty_database_url)).state == "failed"
    pinecone = {"vector_store": "pinecone", "pinecone_api_key": "pcsk_7fYw3_KdPqL9vXb", "pinecone_index": "rowline"}
    assert databases.pgvector(opened(database_url=empty_database_url, **pinecone)).state == "skipped"


def test_a_server_without_pgvector_is_told_what_to_install(opened: Opened, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Inspection, "extension", lambda *_: (None, None))
    told = databases.pgvector(opened())
    assert (told.state, told.message) == ("failed", "the server has no pgvector")
    assert "postgresql-18-pgvector" in str(told.remedy)


def test_both_ways_lead_to_the_same_database(opened: Opened, database_url: str, server_url: str):
    with PostgresProxy(database_url) as proxy:
        assert databases.direct_server(opened(database_direct_url=proxy.url())).state == "ok"
    assert databases.direct_server(opened(database_direct_url=named(server_url, "postgres"))).state == "failed"
    assert databases.direct_server(opened()).state == "skipped"
