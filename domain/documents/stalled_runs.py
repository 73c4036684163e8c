"""Runs that nobody works on any more: told from living ones by looking several times, never by age alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

PATIENCE_SECONDS = 30.0  # a worker between two steps holds no claim for moments, and for seconds before a retry
LOOKS = 3


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
    patience: float = PATIENCE_SECONDS,
) -> tuple[list[str], dict[str, Observation]]:
    """(runs that are dead, what to remember): dead is what showed no sign of life in LOOKS looks over `patience`.

    A pause of the looks proves nothing: what was seen before one is forgotten.
    """
    seen: dict[str, Observation] = {}
    for run_id in suspects:
        known = before.get(run_id)
        if known is None or now - known.last > patience:
            known = Observation(now, now, 0)
        seen[run_id] = Observation(known.first, now, known.looks + 1)
    ended = [run_id for run_id, one in seen.items() if one.looks >= LOOKS and now - one.first >= patience]
    return ended, {run_id: one for run_id, one in seen.items() if run_id not in ended}
