"""Decisions of the sensor `new_events`: what may begin now, when what failed is tried again, how a run ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from domain.backoff import backoff_seconds
from domain.events.registry import FUNCTIONS, Function

INITIAL_BACKOFF, MAX_BACKOFF = 5.0, 600.0  # seconds


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


def backoff(attempts: int, jitter: float) -> timedelta:
    """How long to wait after attempt number `attempts`: 5 s, 30 s, 3 minutes, less up to a quarter."""
    seconds = backoff_seconds(attempts, jitter, initial=INITIAL_BACKOFF, maximum=MAX_BACKOFF, factor=6.0, spread=0.25)
    return timedelta(seconds=seconds)
