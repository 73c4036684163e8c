"""What becomes of a notice after an attempt: sent once, tried again, failed with a reason, or for a person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.notifications.retry_policy import MAX_BACKOFF, MAX_RETRY_AFTER, SENT, Outcome, backoff, settle_outcome

jitters = st.floats(0, 1)
attempts = st.integers(1, 10_000)


def test_what_arrived_is_sent():
    assert settle_outcome(SENT, 1, False, 12, 0.5).state == "sent"
    assert settle_outcome(SENT, 99, True, 12, 0.5).error is None


@given(attempts, st.booleans(), jitters)
def test_what_was_refused_fails_at_once(attempt: int, repeatable: bool, jitter: float):
    after = settle_outcome(Outcome("refused", "no such channel"), attempt, repeatable, 12, jitter)
    assert (after.state, after.error) == ("failed", "no such channel")


@given(attempts, jitters)
def test_a_lost_answer_is_never_repeated_where_the_receiver_would_see_it_twice(attempt: int, jitter: float):
    assert settle_outcome(Outcome("unconfirmed", "reset"), attempt, False, 12, jitter).state == "unknown"


@pytest.mark.parametrize("ending", ["retryable", "unconfirmed"])
def test_on_a_channel_that_knows_doubles_it_is_tried_again_until_it_is_given_up(ending: str):
    outcome = Outcome(ending, "away")  # type: ignore[arg-type]
    assert [settle_outcome(outcome, n, True, 3, 0.5).state for n in (1, 2, 3, 4)] == [
        "waiting",
        "waiting",
        "failed",
        "failed",
    ]
    assert settle_outcome(outcome, 3, True, 3, 0.5).error == "away (given up after 3 attempts)"


@given(attempts, st.none() | st.floats(0, 1e9), jitters)
def test_the_backoff_grows_is_bounded_and_heeds_what_the_service_asks_for(
    attempt: int, retry_after: float | None, jitter: float
):
    seconds = backoff(attempt, retry_after, jitter)
    assert 2.5 <= seconds <= MAX_RETRY_AFTER
    assert seconds >= min(retry_after or 0, MAX_RETRY_AFTER)
    if not retry_after:
        assert seconds <= MAX_BACKOFF
        assert seconds <= backoff(attempt + 1, None, jitter)


def test_no_two_that_failed_together_come_back_together():
    assert len({backoff(4, None, jitter / 10) for jitter in range(11)}) == 11
    assert [backoff(n, None, 0.0) for n in (1, 2, 3)] == [5, 10, 20]
