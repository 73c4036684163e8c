"""What is dead: several looks without a sign of life, never one, never age alone."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from domain.documents.stalled_runs import (
    GRACE_SECONDS,
    MIN_OBSERVATIONS,
    LivenessSigns,
    Observation,
    confirm_dead,
    is_suspect,
)


def looks(times: list[float], silent: str = "run") -> list[tuple[float, list[str]]]:
    """The moments at which a run was found dead, looking at these times."""
    before: dict[str, Observation] = {}
    told = []
    for now in times:
        ended, before = confirm_dead([silent], before, now)
        if ended:
            told.append((now, ended))
    return told


def test_a_run_is_dead_when_it_was_silent_for_the_whole_patience():
    assert looks([0, 10, 20]) == []
    assert looks([0, 10, 20, 30]) == [(30, ["run"])]


def test_two_looks_are_not_enough_however_far_apart():
    assert looks([0, GRACE_SECONDS]) == []


def test_a_paused_sensor_begins_anew():
    """What was seen an hour ago says nothing about what lies between."""
    assert looks([0, 10, 3600, 3610, 3620]) == []
    assert looks([0, 10, 3600, 3610, 3620, 3630]) == [(3630, ["run"])]


def test_a_sign_of_life_in_between_begins_anew():
    _, seen = confirm_dead(["a", "b"], {}, 0)
    _, seen = confirm_dead(["a", "b"], seen, 15)
    _, seen = confirm_dead(["a"], seen, 20)  # b was seen at work
    ended, seen = confirm_dead(["a", "b"], seen, 30)
    assert (ended, list(seen)) == (["a"], ["b"])


@given(st.lists(st.tuples(st.floats(0.1, 40), st.booleans()), max_size=30))
def test_nobody_is_dead_who_was_seen_alive_within_the_patience(steps: list[tuple[float, bool]]):
    before: dict[str, Observation] = {}
    now, silent_since, silent_looks = 0.0, None, 0
    for pause, silent in steps:
        now += pause
        silent_looks = silent_looks + 1 if silent else 0
        silent_since = (now if silent_since is None else silent_since) if silent else None
        ended, before = confirm_dead(["run"] if silent else [], before, now)
        if ended:
            assert silent_since is not None
            assert now - silent_since >= GRACE_SECONDS
            assert silent_looks >= MIN_OBSERVATIONS
            silent_since, silent_looks = None, 0


def test_one_sign_of_life_is_enough_and_knowing_nothing_is_no_proof():
    for signs in product((True, False, None), repeat=2):
        assert is_suspect(LivenessSigns(*signs)) is (True not in signs and False in signs)
