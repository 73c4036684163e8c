"""The bodies of the protocol; the Pinecone one speaks to the stand-in, and to the service where a key is given."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from resources.database.connections import Database
from resources.vectors.pgvector import PgVectorStore
from resources.vectors.pinecone.store import PineconeVectorStore
from resources.vectors.protocol import VectorStore
from tests.resources.vectors.real_pinecone import RealPinecone
from tests.stand_ins.faults import Fault
from tests.stand_ins.pinecone_server import KEY, NAME, PineconeServer

Connect = Callable[..., PineconeVectorStore]
BODIES = ["pgvector", "pinecone"]
REAL = os.environ.get("ROWLINE_REAL_SERVICES") == "1" and {"PINECONE_API_KEY", "PINECONE_INDEX"} <= os.environ.keys()


@pytest.fixture
def server(pinecone_pauses: list[float]) -> Iterator[PineconeServer]:
    with PineconeServer(dimension=3) as server:
        yield server


@pytest.fixture
def connect(server: PineconeServer, pinecone_pauses: list[float]) -> Iterator[Connect]:
    """Opens stores over the stand-in; they give up an attempt soon, and their pauses are noted only."""
    opened: list[PineconeVectorStore] = []

    def connect(**settings: object) -> PineconeVectorStore:
        given = {"api_key": KEY, "index": NAME, "controller_host": server.address, "sleep": pinecone_pauses.append}
        opened.append(PineconeVectorStore(**(given | settings)))
        return opened[-1]

    yield connect
    for store in opened:
        store.close()


@pytest.fixture
def pinecone(connect: Connect) -> PineconeVectorStore:
    return connect()


@pytest.fixture
def pgvector(database_url: str) -> Iterator[PgVectorStore]:
    database = Database(database_url, pool_seconds=0.5)
    yield PgVectorStore(database)
    database.close()


@pytest.fixture
def real_pinecone() -> Iterator[RealPinecone]:
    store = RealPinecone(os.environ["PINECONE_API_KEY"], os.environ["PINECONE_INDEX"])
    yield store
    store.clean_up()


@pytest.fixture(params=[*BODIES, "real_pinecone"] if REAL else BODIES)
def store(request: pytest.FixtureRequest) -> VectorStore:
    """Every body in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def cut_off(request: pytest.FixtureRequest) -> Callable[[VectorStore], None]:
    """Takes the service away from a store that could reach it until now."""

    def cut_off(store: VectorStore) -> None:
        if isinstance(store, PgVectorStore):
            close_database(request.getfixturevalue("database_url"))
        else:
            request.getfixturevalue("server").faults.append(Fault("reset_before", always=True))

    return cut_off


def close_database(address: str) -> None:
    url = urlsplit(address)
    name = url.path[1:]
    with psycopg.connect(urlunsplit(url._replace(path="/postgres")), autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
