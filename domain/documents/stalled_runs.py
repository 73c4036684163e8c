"""Stalled runs: recognized by several observations without a sign of life, never by age alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

GRACE_SECONDS = 30.0  # a worker between two steps holds no claim for moments, and for seconds before a retry
MIN_OBSERVATIONS = 3


class Observation(NamedTuple):
    """How often a run was seen without a sign of life in a row, and when: seconds of any clock that goes on."""

    first: float
    last: float
    looks: int


class LivenessSigns(NamedTuple):
    """What can be known of a run from outside. None: not from here."""

    process_lives: bool | None  # of a process of this machine
    claim_held: bool | None  # of a run that works on one document


def is_suspect(signs: LivenessSigns) -> bool:
    """Whether a run shows no sign of life, although one could be seen."""
    return True not in signs and False in signs


def confirm_dead(
    suspects: Iterable[str],
    before: Mapping[str, Observation],
    now: float,
    grace_seconds: float = GRACE_SECONDS,
) -> tuple[list[str], dict[str, Observation]]:
    """(dead runs, observations to remember): dead after MIN_OBSERVATIONS over `grace_seconds` without a sign of life.

    A gap between looks proves nothing, so observations before one are forgotten.
    """
    seen: dict[str, Observation] = {}
    for run_id in suspects:
        previous = before.get(run_id)
        if previous is None or now - previous.last > grace_seconds:
            previous = Observation(now, now, 0)
        seen[run_id] = Observation(previous.first, now, previous.looks + 1)
    dead = [
        run_id for run_id, item in seen.items() if item.looks >= MIN_OBSERVATIONS and now - item.first >= grace_seconds
    ]
    return dead, {run_id: item for run_id, item in seen.items() if run_id not in dead}
