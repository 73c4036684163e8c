"""Reconciliation: how a store differs from what the ledger promises, compared without holding either in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby
from typing import Literal, NamedTuple

from domain.errors import PermanentError

Side = Literal["agreed", "missing", "extra"]


class Compared(NamedTuple):
    """One id: on both sides, only promised (missing), or only stored (extra)."""

    vector_id: str
    side: Side


def compared(promised: Iterable[str], stored: Iterable[str]) -> Iterator[Compared]:
    """Every id once, from two sides in ascending order; repeated ids count once.

    Raises PermanentError if a side is not in ascending order: its result could delete a vector that is promised.
    """
    sides = merge(
        ((vector_id, True) for vector_id in ascending(promised)),
        ((vector_id, False) for vector_id in ascending(stored)),
    )
    for vector_id, group in groupby(sides, lambda pair: pair[0]):
        where = {is_promised for _, is_promised in group}
        yield Compared(vector_id, "agreed" if len(where) == 2 else "missing" if True in where else "extra")


def ascending(ids: Iterable[str]) -> Iterator[str]:
    before = ""
    for vector_id in ids:
        if vector_id < before:
            raise PermanentError(
                f"The ids of vectors come out of order ({vector_id} after {before}), so they cannot be compared and "
                "nothing more is repaired; see what lists them in another order than their own"
            )
        before = vector_id
        yield vector_id
