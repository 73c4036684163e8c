"""The parts a file comes in: what a template fixes of a table, its header, its rows, and what reading warns of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Layout:
    """What the template fixes of a table; None: detect it."""

    sheet: str | None = None
    header_row: int | None = None  # 1-based, as a person sees it


@dataclass(frozen=True, slots=True)
class SheetHeader:
    """The columns of one table: names unique and never empty, header rows 1-based."""

    sheet: str
    columns: tuple[str, ...]
    header_rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Consecutive rows: (row number as a person sees it, one text per column, "" for a blank cell)."""

    header: SheetHeader
    rows: list[tuple[int, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class ReadWarning:
    """Something that was read differently than written, or left out; the rest of the file is read."""

    sheet: str | None
    row_number: int | None
    message: str


ERROR_COLUMN = "오류 / Error"  # what an error workbook adds; it is no content of the sheet that is uploaded again


def without_error_column(parts: Iterable[RowBatch | ReadWarning]) -> Iterator[RowBatch | ReadWarning]:
    """The parts of a file without the column of an error workbook, so that its rows are as they were before it."""
    warned_sheets: set[str] = set()
    for part in parts:
        if isinstance(part, ReadWarning) or ERROR_COLUMN not in part.header.columns:
            yield part
            continue
        sheet, index = part.header.sheet, part.header.columns.index(ERROR_COLUMN)
        if sheet not in warned_sheets:
            warned_sheets.add(sheet)
            yield ReadWarning(sheet, None, f"the column {ERROR_COLUMN} of an error workbook is left out")
        columns = part.header.columns[:index] + part.header.columns[index + 1 :]
        header = replace(part.header, columns=columns)
        yield RowBatch(header, [(number, cells[:index] + cells[index + 1 :]) for number, cells in part.rows])
