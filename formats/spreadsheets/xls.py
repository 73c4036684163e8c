"""xls by xlrd: slower than calamine, but it never dies on a hostile file and keeps error cells and odd code pages."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from formats.errors import PASSWORD_MESSAGE, PasswordProtected, ReaderFailed
from formats.spreadsheets.ods import time_of
from formats.spreadsheets.sheet import RawRow, Sheet

EMPTY, TEXT, NUMBER, DATE, BOOLEAN, ERROR, BLANK = range(7)
DURATION_BELOW = 60.0  # days; see `_moment`


def open_xlrd(path: Path) -> Iterator[Sheet]:
    """Sheets in their order, each loaded when its rows are asked for."""
    import xlrd

    try:
        book = xlrd.open_workbook(str(path), on_demand=True, logfile=io.StringIO())
    except xlrd.XLRDError as error:
        if "encrypted" in str(error).lower():
            raise PasswordProtected(PASSWORD_MESSAGE) from error
        raise ReaderFailed(str(error)) from error
    visibility = book._sheet_visibility
    for index, name in enumerate(book.sheet_names()):
        hidden = index < len(visibility) and visibility[index] != 0
        yield Sheet(name, hidden, lambda index=index: _rows(book, index))  # type: ignore[misc]


def _rows(book: Any, index: int) -> Iterator[RawRow]:
    sheet = book.sheet_by_index(index)
    for row in range(sheet.nrows):
        types = sheet.row_types(row)
        values = sheet.row_values(row)
        yield (
            row + 1,
            [
                value if kind in (TEXT, NUMBER) else _cell(kind, value, book.datemode)
                for kind, value in zip(types, values, strict=True)
            ],
        )
    book.unload_sheet(index)


def _cell(kind: int, value: Any, datemode: int) -> Any:
    import xlrd

    if kind == DATE:
        return _moment(value, datemode)
    if kind == BOOLEAN:
        return bool(value)
    if kind == ERROR:
        return xlrd.error_text_from_code.get(value, "#N/A")
    return None


def _moment(value: float, datemode: int) -> Any:
    """A date, a time or a duration. xlrd does not say which format a cell has, so a moment in the first two months
    of 1900 that is not midnight is taken for a duration over 24 hours, which is what such a cell really is."""
    from xlrd import xldate

    if value < 0:
        return dt.timedelta(days=value)
    if value < 1:
        return time_of(dt.timedelta(days=value))
    if value < DURATION_BELOW and not value.is_integer() and datemode == 0:
        return dt.timedelta(days=value)
    try:
        return xldate.xldate_as_datetime(value, datemode)
    except (xldate.XLDateError, OverflowError, ValueError):
        return value
