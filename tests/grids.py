"""Grids of faults: the kinds that end as others do are left to `make test-long`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

LIKE_OTHERS = {"server_error", "unavailable", "reset_before", "truncated"}  # as rate_limit, reset_after, garbage


def kinds(every: Iterable[str]) -> list[Any]:
    """For `parametrize`."""
    return [pytest.param(kind, marks=pytest.mark.long) if kind in LIKE_OTHERS else kind for kind in every]


def moments(every: range) -> list[Any]:
    """For `parametrize` over all moments of something: the first, the last and each third between."""
    return [
        n if not place % 3 or n == every[-1] else pytest.param(n, marks=pytest.mark.long)
        for place, n in enumerate(every)
    ]
