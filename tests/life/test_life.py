"""Random lives of documents on both stores: after every step ledger, store and model agree."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.laws.deployment import Deployment
from tests.life.machine import Life
from tests.life.world import PgVectorShelf, World


@pytest.mark.slow
def test_documents_live_as_the_model_says(rowline: Deployment):
    world = World(rowline, PgVectorShelf(rowline))
    run_state_machine_as_test(
        lambda: Life(world),
        settings=settings(
            max_examples=24,
            stateful_step_count=16,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
