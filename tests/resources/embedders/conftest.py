"""The bodies of the protocol; the OpenAI one speaks to the stand-in, and to the service where a key is given."""

import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from resources.embedders import concurrency_limiter
from resources.embedders.local import LocalEmbedder
from resources.embedders.openai import OpenAIEmbedder
from resources.embedders.protocol import Embedder
from tests.stand_ins.openai_server import KEY, OpenAIServer

Connect = Callable[..., OpenAIEmbedder]
BODIES = ["local", "openai"]
REAL = os.environ.get("ROWLINE_REAL_SERVICES") == "1" and "OPENAI_API_KEY" in os.environ


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """A server that nobody has asked yet: the pace of an earlier one may stand under the same port."""
    monkeypatch.setattr(concurrency_limiter, "_limiters", {})
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


@pytest.fixture
def local() -> LocalEmbedder:
    return LocalEmbedder()


@pytest.fixture
def real_openai() -> Iterator[OpenAIEmbedder]:
    embedder = OpenAIEmbedder(os.environ["OPENAI_API_KEY"], os.environ.get("OPENAI_BASE_URL"))
    yield embedder
    embedder.close()


@pytest.fixture(params=[*BODIES, "real_openai"] if REAL else BODIES)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    """Every body in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def near(embedder: Embedder) -> Callable[[np.ndarray, np.ndarray], bool]:
    """Whether vectors are the same, as exactly as the body computes: OpenAI's differ from call to call."""
    tolerance = 5e-3 if REAL and embedder.model.provider == "openai" else 1e-5
    return lambda one, other: np.allclose(one, other, atol=tolerance)
