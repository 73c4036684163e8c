"""The error workbook: the sheets of a document as they were uploaded, with a column that says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.documents.tables import ERROR_COLUMN, ReadWarning, RowBatch, SheetHeader, without_error_column
from domain.errors import PermanentError, UnreadableFile
from formats.writers.annotated_workbook import Marks, NotMarkable, mark_workbook

if TYPE_CHECKING:
    from openpyxl import Workbook

ErrorRow = tuple[str, int, str]  # sheet, row number, message
SHEET_ROWS = 1_000_000  # a sheet of Excel has 1,048,576; what is longer goes on in a second one
CELL_CHARACTERS = 32_767
CUT = " …[cut]"
# what XML cannot hold, and what Excel would take for such a thing written out
UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
ERROR_WIDTH = 60  # characters
ERROR_FILL, HEADER_FILL = "FFF2CC", "D9D9D9"


@dataclass(slots=True)
class _Table:
    """One sheet as the whole file shows it: a late cell may have widened its header."""

    header: SheetHeader
    last_row: int

    @property
    def header_row(self) -> int:
        return self.header.header_rows[-1]


def write_error_workbook(
    target: Path,
    read: Callable[[], Iterable[RowBatch | ReadWarning]],
    errors: Iterable[ErrorRow],
    sheet_rows: int = SHEET_ROWS,
) -> int:
    """Write all rows of the file at their own row numbers, the wrong ones marked; returns how many are wrong.

    `read` reads the file from its beginning, and is called twice: how wide a sheet is, is known at its end. `errors`
    come in reading order. Every cell is text, as it was read: leading zeros stay, nothing becomes a formula. Memory
    is bounded by a batch of rows. Rows after the first `sheet_rows` go on in a sheet `… (2)`, and so on. Raises
    PermanentError if a row that has an error is not found again, and what `read` raises; then `target` is nothing
    to hand out.
    """
    from openpyxl import Workbook

    tables = _tables(read())
    wrong = _Errors(iter(errors))
    workbook = Workbook(write_only=True)
    try:
        _write_sheets(workbook, tables, _batches(read()), wrong, sheet_rows)
        wrong.check_all_matched()
    finally:
        if workbook.worksheets:
            workbook.save(target)  # in any case: it is what takes openpyxl's temporary files away
    return wrong.match_count


def write_marked_workbook(
    source: Path,
    target: Path,
    read: Callable[[Path], Iterator[RowBatch | ReadWarning]],
    errors: Iterable[ErrorRow],
) -> int:
    """Write the uploaded xlsx with one more column (`marked_workbook`); returns how many rows are wrong.

    0 where this file cannot be marked so: then `target` is nothing to hand out. What was made is read again, and has to
    give the rows of the file under its columns.
    """
    tables = {batch.header.sheet: batch.header for batch in _plain(read(source))}
    if any(ERROR_COLUMN in header.columns for header in tables.values()):
        return 0  # marked before: the column is there already, with what was wrong then
    wrong: dict[str, dict[int, str]] = {}
    for sheet, row_number, message in errors:
        wrong.setdefault(sheet, {})[row_number] = message
    try:
        marks = {sheet: Marks(tables[sheet].header_rows[-1], rows) for sheet, rows in wrong.items()}
        mark_workbook(source, target, marks)
        same = _digest(_batches(read(target))) == _digest(_plain(read(source)))
    except (KeyError, NotMarkable, UnreadableFile):
        return 0
    return sum(map(len, wrong.values())) if same else 0


def _plain(parts: Iterable[RowBatch | ReadWarning]) -> Iterator[RowBatch]:
    return (part for part in parts if isinstance(part, RowBatch))


def _digest(batches: Iterable[RowBatch]) -> bytes:
    """What tells the rows of two files apart, and the columns that they end with."""
    digest, columns = blake2b(), {}
    for batch in batches:
        columns[batch.header.sheet] = batch.header.columns
        for row_number, cells in batch.rows:
            digest.update(repr((batch.header.sheet, row_number, _filled(cells))).encode())
    digest.update(repr(sorted(columns.items())).encode())
    return digest.digest()


def _filled(cells: tuple[str, ...]) -> tuple[str, ...]:
    """Cells up to the last that holds anything."""
    last = next((at for at in range(len(cells), 0, -1) if cells[at - 1]), 0)
    return cells[:last]


def _write_sheets(
    workbook: Workbook, tables: dict[str, _Table], batches: Iterable[RowBatch], wrong: _Errors, sheet_rows: int
) -> None:
    titles: set[str] = set()
    sheet: _Sheet | None = None
    for batch in batches:
        table = tables[batch.header.sheet]
        for row_number, cells in batch.rows:
            part = (row_number - 1) // sheet_rows
            if sheet is None or sheet.table is not table or sheet.part != part:
                sheet = _Sheet(workbook, table, part, sheet_rows, _title(table.header.sheet, titles))
            sheet.write(row_number, cells, wrong.of(table.header.sheet, row_number))


def _batches(parts: Iterable[RowBatch | ReadWarning]) -> Iterator[RowBatch]:
    """The file's rows, without the column that an earlier error workbook added."""
    return (part for part in without_error_column(parts) if isinstance(part, RowBatch))


def _tables(parts: Iterable[RowBatch | ReadWarning]) -> dict[str, _Table]:
    return {batch.header.sheet: _Table(batch.header, batch.rows[-1][0]) for batch in _batches(parts) if batch.rows}


@dataclass(slots=True)
class _Errors:
    """Error rows, looked up while the same file is read again in the same order."""

    rows: Iterator[ErrorRow]
    match_count: int = 0
    _next: ErrorRow | None = field(init=False)

    def __post_init__(self) -> None:
        self._next = next(self.rows, None)

    def of(self, sheet: str, row_number: int) -> str | None:
        if self._next is None or self._next[:2] != (sheet, row_number):
            return None
        message = self._next[2]
        self._next = next(self.rows, None)
        self.match_count += 1
        return message

    def check_all_matched(self) -> None:
        if self._next is not None:
            sheet, row_number, _ = self._next
            raise PermanentError(
                f"The error workbook cannot be written: row {row_number} of {sheet} has an error but is not found in "
                "the file again; upload the file as a new version, so that it is read anew"
            )


class _Sheet:
    """One sheet that is being written, from its first row to its last."""

    def __init__(self, workbook: Workbook, table: _Table, part: int, sheet_rows: int, title: str) -> None:
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.styles import Font, PatternFill
        from openpyxl.utils import get_column_letter

        self.table, self.part = table, part
        self._sheet = workbook.create_sheet(title)
        self._columns = len(table.header.columns)
        # a second sheet has its header above, as the first one has
        self._shift = 0 if part == 0 else 1 - part * sheet_rows
        header_row = table.header_row if part == 0 else 1
        last_row = min(table.last_row, (part + 1) * sheet_rows) + self._shift
        last_column = get_column_letter(self._columns + 1)
        self._sheet.freeze_panes = f"A{header_row + 1}"
        self._sheet.column_dimensions[last_column].width = ERROR_WIDTH
        self._sheet.auto_filter.ref = f"A{header_row}:{last_column}{last_row}"

        def cells(count: int, colour: str = "", bold: bool = False) -> list[Any]:
            made = [WriteOnlyCell(self._sheet) for _ in range(count)]
            for cell in made if colour else ():
                cell.font, cell.fill = Font(bold=bold), PatternFill("solid", fgColor=colour)
            return made

        # a cell is written out with its row, so each kind of row needs one set of them
        self._plain, self._wrong = cells(self._columns), cells(self._columns + 1, ERROR_FILL)
        self._written = 0
        self._append(
            header_row, cells(self._columns + 1, HEADER_FILL, bold=True), [*table.header.columns, ERROR_COLUMN]
        )

    def write(self, row_number: int, cells: tuple[str, ...], error: str | None) -> None:
        """A row of the file, at its own number."""
        if error is None:
            self._append(row_number + self._shift, self._plain, cells)
        else:
            blank = [""] * (self._columns - len(cells))
            self._append(row_number + self._shift, self._wrong, [*cells, *blank, error])

    def _append(self, row: int, cells: list[Any], texts: Iterable[str]) -> None:
        while self._written < row - 1:
            self._sheet.append(())
            self._written += 1
        filled = []
        for cell, text in zip(cells, texts, strict=False):
            cell.value = _written(text) if text else None
            if text:
                cell.data_type = "s"  # else "=…" would be a formula and "#N/A" an error
            filled.append(cell)
        self._sheet.append(filled)
        self._written += 1


def _written(text: str) -> str:
    """A text as a cell of Excel may hold it; what is too long for one says that it was cut."""
    text = UNWRITABLE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    return text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - len(CUT)] + CUT


def _title(name: str, taken: set[str]) -> str:
    """A sheet's name as Excel allows it: 31 characters, some of them forbidden, unique whatever the case."""
    plain = re.sub(r"[\[\]:*?/\\\x00-\x1f]", "_", name).strip("'") or "_"
    title, number = plain[:31], 1
    while title.lower() in taken:
        number += 1
        suffix = f" ({number})"
        title = plain[: 31 - len(suffix)] + suffix
    taken.add(title.lower())
    return title
