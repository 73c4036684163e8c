"""What every reader gives: sheets by name, and their rows as raw cells with the numbers a person sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from formats.spreadsheets.header import Merge

RawRow = tuple[int, Sequence[Any]]


def _no_merges() -> Iterable[Merge]:
    return ()


class Sheet(NamedTuple):
    """One worksheet. `rows` starts reading it; nothing is parsed before."""

    name: str
    hidden: bool
    rows: Callable[[], Iterator[RawRow]]
    merges: Callable[[], Iterable[Merge]] = _no_merges
    ragged: bool = False  # rows of a text file: their own length means something
