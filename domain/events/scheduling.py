"""Decisions of the sensor `new_events`: what may begin now, when what failed is tried again, how a run ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from domain.events.registry import FUNCTIONS, Function

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0  # seconds


def most_of_each(under_way: Mapping[str, int]) -> dict[str, int]:
    """Function → how many of its runs may begin now: as many as it settles at once, within its concurrency."""
    free = {
        function.name: function.batch
        if function.concurrency is None
        else min(function.batch, function.concurrency - under_way.get(function.name, 0))
        for function in FUNCTIONS
    }
    return {name: number for name, number in free.items() if number > 0}


def has_tries_left(function: Function, attempts: int) -> bool:
    """Whether a run that was attempted so often may be attempted once more."""
    return attempts <= function.retries


def pause_after(attempts: int, chance: float) -> timedelta:
    """How long to wait before the next attempt: longer each time, never all at once. `chance` is between 0 and 1."""
    seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 6.0 ** max(0, attempts - 1))
    return timedelta(seconds=seconds * (0.75 + chance / 2))
