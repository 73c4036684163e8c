"""One world for each store; in both a file is read once, however often it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.documents.tables import Layout, ReadWarning, RowBatch
from domain.errors import PermanentError
from formats.limits import Limits
from formats.reading import read_workbook
from operations.documents import processing
from settings.settings import Settings
from tests.laws.deployment import Deployment
from tests.laws.doubles import DIMENSION
from tests.life.world import PgVectorShelf, PineconeShelf, World
from tests.stand_ins.pinecone_server import KEY, NAME, PineconeServer

LAG = 7  # reads that pass until a write is seen


@pytest.fixture(params=["pgvector", "pinecone"])
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pinecone(store: str, pinecone_pauses: list[float]) -> Iterator[PineconeServer | None]:
    if store == "pgvector":
        yield None
        return
    with PineconeServer(dimension=DIMENSION, lag=LAG) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, pinecone: PineconeServer | None) -> Settings:
    if pinecone is None:
        return settings
    chosen = {
        "vector_store": "pinecone",
        "pinecone_api_key": SecretStr(KEY),
        "pinecone_index": NAME,
        "pinecone_controller_host": pinecone.address,
    }
    return settings.model_copy(update=chosen)


@pytest.fixture
def world(rowline: Deployment, pinecone: PineconeServer | None, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(processing, "read_workbook", read_once())
    if pinecone:  # no test waits for what it can be told
        monkeypatch.setattr(rowline.services.vectors, "_sleep", lambda _: None)
    return World(rowline, PineconeShelf(pinecone.index) if pinecone else PgVectorShelf(rowline))


def read_once() -> Callable[[Path, str, Layout, Limits], Iterator[RowBatch | ReadWarning]]:
    """`read_workbook`, remembering what it found: its child process is most of what a small document costs."""
    known: dict[tuple[bytes, Layout], list[RowBatch | ReadWarning] | PermanentError] = {}

    def read(path: Path, filename: str, layout: Layout, limits: Limits) -> Iterator[RowBatch | ReadWarning]:
        key = path.read_bytes(), layout
        if key not in known:
            try:
                known[key] = list(read_workbook(path, filename, layout, limits))
            except PermanentError as error:
                known[key] = error
        found = known[key]
        if isinstance(found, PermanentError):
            raise found
        yield from found

    return read
