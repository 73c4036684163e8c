"""What becomes of a notice after an attempt: sent once, tried again, failed with a reason, or for a person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.notifications.retry_policy import LONGEST_ASKED, LONGEST_PAUSE, SENT, Outcome, pause, settled

chances = st.floats(0, 1)
attempts = st.integers(1, 10_000)


def test_what_arrived_is_sent():
    assert settled(SENT, 1, False, 12, 0.5).state == "sent"
    assert settled(SENT, 99, True, 12, 0.5).error is None


@given(attempts, st.booleans(), chances)
def test_what_was_refused_fails_at_once(attempt: int, repeatable: bool, chance: float):
    after = settled(Outcome("refused", "no such channel"), attempt, repeatable, 12, chance)
    assert (after.state, after.error) == ("failed", "no such channel")


@given(attempts, chances)
def test_a_lost_answer_is_never_repeated_where_the_receiver_would_see_it_twice(attempt: int, chance: float):
    assert settled(Outcome("lost", "reset"), attempt, False, 12, chance).state == "unknown"


@pytest.mark.parametrize("ending", ["later", "lost"])
def test_on_a_channel_that_knows_doubles_it_is_tried_again_until_it_is_given_up(ending: str):
    outcome = Outcome(ending, "away")  # type: ignore[arg-type]
    assert [settled(outcome, n, True, 3, 0.5).state for n in (1, 2, 3, 4)] == ["waiting", "waiting", "failed", "failed"]
    assert settled(outcome, 3, True, 3, 0.5).error == "away (given up after 3 attempts)"


@given(attempts, st.none() | st.floats(0, 1e9), chances)
def test_pauses_grow_are_bounded_and_heed_what_was_asked(attempt: int, asked: float | None, chance: float):
    found = pause(attempt, asked, chance)
    assert 2.5 <= found <= LONGEST_ASKED
    assert found >= min(asked or 0, LONGEST_ASKED)
    if not asked:
        assert found <= LONGEST_PAUSE
        assert found <= pause(attempt + 1, None, chance)


def test_no_two_that_failed_together_come_back_together():
    assert len({pause(4, None, chance / 10) for chance in range(11)}) == 11
    assert [pause(n, None, 1.0) for n in (1, 2, 3)] == [5, 10, 20]
