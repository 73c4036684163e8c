"""Random lives of documents, on both stores: after every step ledger, store and model agree."""

from __future__ import annotations

import pytest

from tests.life.amount import SEQUENCES
from tests.life.running import live
from tests.life.world import World


@pytest.mark.slow
@pytest.mark.timeout(0)  # as long as its sequences take: some in CI, hundreds in `python -m tests.life`
def test_documents_live_as_the_model_says(world: World, store: str):
    live(world, SEQUENCES[store])
