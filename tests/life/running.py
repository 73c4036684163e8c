"""Running the machine: without shrinking, as ids and threads differ from one run of a sequence to the next."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.life.amount import SAME_EVERY_TIME, STEPS
from tests.life.machine import Life
from tests.life.world import World


def live(world: World, sequences: int) -> None:
    """Raises what the first sequence raises on which real thing and model do not agree, with its steps."""
    run_state_machine_as_test(
        lambda: Life(world),
        settings=settings(
            max_examples=sequences,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=SAME_EVERY_TIME["derandomize"],
            database=None,
            print_blob=False,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
