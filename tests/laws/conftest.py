"""Fixtures of the laws about orders."""

import pytest

from tests.laws.deployment import Deployment
from tests.laws.patience import embed_by
from tests.stand_ins.openai_server import OpenAIServer


@pytest.fixture
def patient(rowline: Deployment, openai: OpenAIServer) -> Deployment:
    """A deployment that embeds by the stand-in, whose uploads may wait where they say so."""
    embed_by(rowline, openai, dimension=32)
    return rowline
