"""What the doctor's tests share: an examination without Dagster, by the environment as a person sets it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.doctor.checklist import checklist
from gateway.doctor.context import Context
from gateway.doctor.results import Verdict
from gateway.doctor.runner import examine
from settings.settings import load_valid_settings
from tests.stand_ins.openai_server import KEY, OpenAIServer
from tests.stand_ins.pinecone_server import KEY as PINECONE_KEY
from tests.stand_ins.pinecone_server import NAME, PineconeServer

Examined = Callable[..., dict[str, Verdict]]
DAGSTER = {"code location", "daemon", "sensors"}  # seconds each; they have tests of their own


@pytest.fixture
def sound(database_url: str, clean_environment: Path, openai: OpenAIServer) -> dict[str, str]:
    """An environment in which nothing is wrong."""
    return {
        "DATABASE_URL": database_url,
        "ROWLINE_HOME": str(clean_environment / "home"),
        "EMBEDDING_PROVIDER": "openai",
        "EMBEDDING_DIMENSIONS": "32",
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": openai.base_url,
    }


@pytest.fixture
def pinecone() -> Iterator[PineconeServer]:
    with PineconeServer(dimension=32) as server:
        yield server


@pytest.fixture
def with_pinecone(pinecone: PineconeServer) -> dict[str, str]:
    return {
        "VECTOR_STORE": "pinecone",
        "PINECONE_API_KEY": PINECONE_KEY,
        "PINECONE_INDEX": NAME,
        "PINECONE_CONTROLLER_HOST": pinecone.address,
    }


@pytest.fixture
def examined(sound: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Examined:
    """All verdicts by name, for an environment that is sound but for what is passed; None unsets."""

    def examined(production: bool = False, **environment: str | None) -> dict[str, Verdict]:
        for name, value in {**sound, **environment}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        settings, errors = load_valid_settings()
        context = Context(settings, errors, production)
        try:
            findings = examine([check for check in checklist(context) if check.name not in DAGSTER], context)
        finally:
            context.close()
        return {finding.name: finding.verdict for finding in findings}

    return examined
