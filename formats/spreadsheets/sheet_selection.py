"""Which sheets of a workbook are read, and warnings about the others. Runs in the child."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator

from domain.documents.tables import Layout, ReadWarning, RowBatch
from formats.errors import DamagedFile, EmptyFile, FileTooLarge, NoTable, UnknownSheet
from formats.limits import Limits
from formats.spreadsheets.cell_text import texts_of
from formats.spreadsheets.columns import letters
from formats.spreadsheets.header import Row
from formats.spreadsheets.sheet import Sheet
from formats.spreadsheets.table import read_table

MAX_LISTED_NAMES = 20
SHEET_ROWS = 1_048_576
TABLE = "table"


def read_sheets(
    sheets: Iterable[Sheet | ReadWarning], layout: Layout, limits: Limits, batch_rows: int
) -> Iterator[RowBatch | ReadWarning]:
    """The tables of the sheet the template names, or of every visible sheet.

    Raises NoTable (or EmptyFile) when no sheet gives a table, UnknownSheet when the named one is not there.
    """
    names: list[str] = []
    hidden: list[str] = []
    verdicts: list[str | None] = []
    for sheet in sheets:
        if isinstance(sheet, ReadWarning):
            yield sheet
            continue
        names.append(sheet.name)
        if layout.sheet is None and sheet.hidden:
            hidden.append(sheet.name)
        elif layout.sheet in (None, sheet.name) or sheet.ragged:  # a text file has one sheet, whatever its name
            verdicts.append((yield from _read_sheet(sheet, layout, limits, batch_rows)))
    if hidden:
        yield ReadWarning(
            None, None, f"hidden, so not read: {_listed(hidden)}; name one as sheet in the template to read it"
        )
    if layout.sheet is not None and names and not verdicts:
        raise UnknownSheet(f'there is no sheet "{layout.sheet}"; the sheets are {_listed(names)}')
    if TABLE not in verdicts:
        raise _no_table([verdict for verdict in verdicts if verdict], hidden)


def _read_sheet(
    sheet: Sheet, layout: Layout, limits: Limits, batch_rows: int
) -> Generator[RowBatch | ReadWarning, None, str | None]:
    """Yields one sheet; returns TABLE, the reason why it is no table, or None when it is empty."""
    rows = _texts(sheet, limits)
    verdict = None
    try:
        for item in read_table(
            sheet.name, rows, layout.header_row, limits, batch_rows, merges=sheet.merges, ragged=sheet.ragged
        ):
            verdict = TABLE
            yield item
    except NoTable as error:
        verdict = str(error)
        yield ReadWarning(sheet.name, None, verdict)
    if verdict is None:
        yield ReadWarning(sheet.name, None, f'sheet "{sheet.name}" is empty')
    return verdict


def _no_table(reasons: list[str], hidden: list[str]) -> NoTable:
    rest = f"; hidden sheets are read only when the template names one: {_listed(hidden)}" if hidden else ""
    if not reasons:
        return EmptyFile(f"no rows found: every {'visible ' if hidden else ''}sheet is empty{rest}")
    more = f" (and {len(reasons) - 1} more sheets without a table)" if len(reasons) > 1 else ""
    return NoTable(f"{reasons[0]}{more}{rest}")


def _listed(names: list[str]) -> str:
    listing = ", ".join(f'"{name}"' for name in names[:MAX_LISTED_NAMES])
    return listing if len(names) <= MAX_LISTED_NAMES else f"{listing} and {len(names) - MAX_LISTED_NAMES} more"


def _texts(sheet: Sheet, limits: Limits) -> Iterator[Row]:
    """Rows as text, blank ones left out, none larger than the limits."""
    for number, cells in sheet.rows():
        if number > SHEET_ROWS and not sheet.ragged:
            raise DamagedFile(
                f'sheet "{sheet.name}" claims to have more rows than a sheet can have; save it again in Excel'
            )
        texts = texts_of(cells)
        if not any(texts):
            continue
        if len("".join(texts)) > limits.cell_chars:
            _check_row(sheet.name, number, texts, limits)
        yield number, texts


def _check_row(sheet: str, number: int, texts: list[str], limits: Limits) -> None:
    for column, text in enumerate(texts):
        if len(text) > limits.cell_chars:
            raise FileTooLarge(
                f'cell {letters(column)}{number} of sheet "{sheet}" has {len(text):,} characters, '
                f"more than the {limits.cell_chars:,} a cell can hold; shorten it"
            )
    if sum(map(len, texts)) > limits.row_chars:
        raise FileTooLarge(f'row {number} of sheet "{sheet}" has more than {limits.row_chars:,} characters; shorten it')
