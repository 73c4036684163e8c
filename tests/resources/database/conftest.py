"""A database as a team has it: behind TCP, with users, passwords and a pg_hba.conf of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.stand_ins.postgres_proxy import PostgresProxy

PASSWORD = "s3cret/p@ss"
IN_URL = "s3cret%2Fp%40ss"
ROLES = f"""
CREATE ROLE team_owner LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE team_app LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE team_refused LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE team_reader LOGIN PASSWORD '{PASSWORD}';
ALTER ROLE team_reader SET default_transaction_read_only = on;
CREATE ROLE team_crowd LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 0;
"""
HBA = """
local all team_refused reject
local all team_owner,team_app,team_reader,team_crowd,team_nobody scram-sha-256
"""


@pytest.fixture(scope="session")
def team_server(server_url: str) -> str:
    """The session's server, where some users need a password and one is not let in."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(ROLES)
        row = connection.execute("SHOW hba_file").fetchone()
        assert row
        file = Path(row[0])
        file.write_text(HBA + file.read_text())
        connection.execute("SELECT pg_reload_conf()")
    return server_url


@pytest.fixture
def proxy(team_server: str, database_url: str) -> Iterator[PostgresProxy]:
    """A migrated database of its own, behind a proxy that can do harm."""
    with PostgresProxy(database_url) as proxy:
        yield proxy
