"""Notes below a table: recognized among its last rows, which are few and narrow, so that they are not read as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from domain.documents.tables import ReadWarning
from formats.spreadsheets.header import Row, filled, is_typed
from formats.spreadsheets.warnings import WarningLimiter, quoted

TAIL_ROWS = 50  # the most rows held back to see whether they are notes below the table


class Projection(Protocol):
    """The columns of a table while it is read."""

    indices: list[int]

    def project(self, cells: list[str]) -> tuple[str, ...]:
        """The cells of the table's columns, blank where the row is short."""


def profile(table: Projection, sample: Sequence[Row]) -> tuple[list[bool], int]:
    """Which columns hold only numbers and dates (seen in most rows), and how many cells make a row a narrow one."""
    projected = [table.project(cells) for _number, cells in sample]
    widths = sorted(len(filled(cells)) for cells in projected)
    typed = []
    for column in range(len(table.indices)):
        texts = [cells[column] for cells in projected if cells[column]]
        hits = sum(map(is_typed, texts))
        typed.append(len(texts) >= 3 and hits * 5 >= len(texts) * 4)
    return typed, widths[len(widths) // 2] // 2


def without_notes(
    rows: Iterable[Row], table: Projection, typed: list[bool], narrow: int, warnings: WarningLimiter
) -> Iterator[Row | ReadWarning]:
    """Rows, then one warning for each note below the table (see `first_note`)."""
    tail: list[Row] = []
    last_wide = 0
    for row in rows:
        cells = row[1]
        if len(cells) - cells.count("") > narrow:
            if tail:
                yield from tail
                tail.clear()
            last_wide = row[0]
            yield row
        else:
            tail.append(row)
            if len(tail) > TAIL_ROWS:
                last_wide = tail[0][0]
                yield tail.pop(0)
    start = first_note([(number, table.project(cells)) for number, cells in tail], last_wide, typed)
    yield from tail[:start]
    for number, cells in tail[start:]:
        message = f"row {number} below the table taken as a note, not read as data: {quoted(cells)}"
        yield from warnings.about("notes below the table", number, message)


def first_note(tail: Sequence[tuple[int, Sequence[str]]], last_wide: int, typed: Sequence[bool]) -> int:
    """Where the notes begin among the last, narrow rows of a table; their number when there are none.

    Notes are the rows at the very end without a single number or date in a column of numbers and dates, if one of
    them has words in such a column, or else those of them that follow a blank row.
    """
    start = len(tail)
    clash = False
    while start:
        cells = tail[start - 1][1]
        placed = [text for text, numeric in zip(cells, typed, strict=False) if numeric and text]
        if any(map(is_typed, placed)):
            break
        clash = clash or bool(placed)
        start -= 1
    if clash:
        return start
    before = tail[start - 1][0] if start else last_wide
    for index in range(start, len(tail)):
        if tail[index][0] > before + 1 and before:
            return index
        before = tail[index][0]
    return len(tail)
