"""Decisions of the sensor `new_events`: which runs may start now, and when a failed one is retried."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from domain.backoff import backoff_seconds
from domain.events.registry import FUNCTIONS, Function

INITIAL_BACKOFF, MAX_BACKOFF = 5.0, 600.0  # seconds


def free_slots(under_way: Mapping[str, int]) -> dict[str, int]:
    """Function → how many of its runs may start now: one batch, within its concurrency; full functions are left out."""
    free = {
        function.name: function.batch
        if function.concurrency is None
        else min(function.batch, function.concurrency - under_way.get(function.name, 0))
        for function in FUNCTIONS
    }
    return {name: count for name, count in free.items() if count > 0}


def has_tries_left(function: Function, attempts: int) -> bool:
    """Whether a run may be attempted again after this many attempts."""
    return attempts <= function.retries


def backoff(attempts: int, jitter: float) -> timedelta:
    """How long to wait after attempt number `attempts`: 5 s, 30 s, 3 minutes, less up to a quarter."""
    seconds = backoff_seconds(attempts, jitter, initial=INITIAL_BACKOFF, maximum=MAX_BACKOFF, factor=6.0, spread=0.25)
    return timedelta(seconds=seconds)
