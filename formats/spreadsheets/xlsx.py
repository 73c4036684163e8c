"""xlsx, xlsm, xlsb and ods by calamine; xlsx and xlsm by openpyxl where calamine fails or the sheet shows more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from formats.errors import PASSWORD_MESSAGE, PasswordProtected, ReaderFailed
from formats.spreadsheets.header import Merge
from formats.spreadsheets.ods import moment
from formats.spreadsheets.sheet import RawRow, Sheet

if TYPE_CHECKING:
    from openpyxl.workbook.workbook import Workbook
    from python_calamine import CalamineSheet, CalamineWorkbook


def open_calamine(path: Path, spans: bool = False) -> Iterator[Sheet]:
    """Sheets in their order; chart and macro sheets have no rows and are left out. `from_path` would go by the name.

    With `spans`, times stand as PT12H30M00S in the cells, as ods has them, and are read as times.
    """
    import python_calamine as calamine

    try:
        with path.open("rb") as file:
            book = calamine.CalamineWorkbook.from_filelike(file)
    except calamine.PasswordError as error:
        raise PasswordProtected(PASSWORD_MESSAGE) from error
    except calamine.CalamineError as error:
        raise ReaderFailed(str(error)) from error
    for facts in book.sheets_metadata:
        if facts.typ == calamine.SheetTypeEnum.WorkSheet:
            yield _calamine_sheet(book, facts.name, facts.visible != calamine.SheetVisibleEnum.Visible, spans)


def _calamine_sheet(book: CalamineWorkbook, name: str, hidden: bool, spans: bool) -> Sheet:
    loaded: list[CalamineSheet] = []

    def rows() -> Iterator[RawRow]:
        import python_calamine as calamine

        try:
            sheet = book.get_sheet_by_name(name)
        except calamine.CalamineError as error:
            raise ReaderFailed(str(error)) from error
        if sheet.start is None:
            return
        loaded.append(sheet)
        left = [""] * sheet.start[1]
        for number, cells in enumerate(sheet.iter_rows(), 1):
            row = left + cells if left else cells
            yield number, ([_with_time(cell) for cell in row] if spans else row)

    def merges() -> Iterable[Merge]:
        for start, end in (loaded[0].merged_cell_ranges or ()) if loaded else ():
            yield start[0] + 1, start[1], end[0] + 1, end[1]

    return Sheet(name, hidden, rows, merges)


def _with_time(cell: object) -> object:
    return moment(cell) if type(cell) is str and cell.startswith("PT") else cell


def open_openpyxl(path: Path) -> Iterator[Sheet]:
    """Sheets read as a stream. openpyxl shows no sheet at all, and no error, for Strict Open XML: that is a failure."""
    import warnings

    import openpyxl

    warnings.simplefilter("ignore")
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    if not book.worksheets:
        raise ReaderFailed("openpyxl finds no sheet")
    for sheet in book.worksheets:
        yield _openpyxl_sheet(book, sheet.title, sheet.sheet_state != "visible")


def _openpyxl_sheet(book: Workbook, name: str, hidden: bool) -> Sheet:
    def rows() -> Iterator[RawRow]:
        from formats.spreadsheets.number_formats import shown

        sheet = book[name]
        sheet.reset_dimensions()  # a too small <dimension> would drop rows
        for number, cells in enumerate(sheet.iter_rows(), 1):
            yield number, [shown(cell) for cell in cells]

    return Sheet(name, hidden, rows)
