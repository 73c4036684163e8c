"""When a function run is tried again."""

import pytest

from domain.events.scheduling import backoff


@pytest.mark.parametrize(("attempts", "longest"), [(1, 5), (2, 30), (3, 180), (4, 600), (400, 600)])
def test_a_transient_failure_is_tried_again_after_at_most_the_stated_time(attempts: int, longest: float) -> None:
    """Up to a quarter sooner, by chance, so that what failed together does not come back together."""
    assert backoff(attempts, 0.0).total_seconds() == longest
    assert backoff(attempts, 1.0).total_seconds() == longest * 0.75
