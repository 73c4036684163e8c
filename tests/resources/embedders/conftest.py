"""Both bodies of the protocol, ready to use; the OpenAI one speaks to the stand-in server."""

from collections.abc import Callable, Iterator

import pytest

from resources.embedders.local import LocalEmbedder
from resources.embedders.openai import OpenAIEmbedder
from resources.embedders.protocol import Embedder
from tests.stand_ins.openai_server import KEY, OpenAIServer

Connect = Callable[..., OpenAIEmbedder]


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def pauses() -> list[float]:
    """The seconds an embedder would have waited; no test does."""
    return []


@pytest.fixture
def connect(server: OpenAIServer, pauses: list[float]) -> Iterator[Connect]:
    """Makes embedders on a clock of their own: it goes on when one of them pauses, and at no other time."""
    opened: list[OpenAIEmbedder] = []

    def connect(**settings: object) -> OpenAIEmbedder:
        time = {"sleep": pauses.append, "jitter": lambda: 0.0, "clock": lambda: sum(pauses)}
        given = {"api_key": KEY, "base_url": server.base_url} | time | settings
        opened.append(OpenAIEmbedder(**given))
        return opened[-1]

    yield connect
    for embedder in opened:
        embedder.close()


@pytest.fixture
def openai(connect: Connect) -> OpenAIEmbedder:
    return connect()


@pytest.fixture(params=["local", "openai"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return LocalEmbedder() if request.param == "local" else request.getfixturevalue("openai")
