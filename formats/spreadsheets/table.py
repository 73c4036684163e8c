"""The rows of one sheet as a table: header, batches of rows, warnings. Streams; holds a sample and a short tail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from domain.documents.tables import ReadWarning, RowBatch, SheetHeader
from formats.errors import NoTable, TooManyColumns
from formats.limits import Limits
from formats.spreadsheets.columns import blank_name, letters, unique
from formats.spreadsheets.header import SAMPLE_ROWS, Header, Merge, Row, at, filled, find_header, is_typed
from formats.spreadsheets.notes import profile, without_notes
from formats.spreadsheets.warnings import WarningLimiter, quoted

ABOVE_ROWS = 50  # the most rows above a header that the template names, kept to describe them
BATCH_CHARS = 2_000_000
GIVE_HEADER_ROW = "give the row number of the header in the template (headerRow; who runs Rowline stores it)"


class Table:
    """The columns of a table while it is read. They may widen: a late cell beyond them gets a column at the right."""

    def __init__(self, sheet: str, header: Header, limits: Limits) -> None:
        self._sheet = sheet
        self._rows = header.rows
        self._limits = limits
        self.indices = list(header.columns)
        self._names = [name or blank_name(column) for name, column in zip(header.names, header.columns, strict=True)]
        self.header = self._build_header()

    def _build_header(self) -> SheetHeader:
        if len(self.indices) > self._limits.columns:
            raise TooManyColumns(
                f'sheet "{self._sheet}" has {len(self.indices):,} columns, more than the {self._limits.columns:,} '
                "allowed; delete the columns that are not needed"
            )
        self._known = set(self.indices)
        self._span = self.indices[-1] + 1
        first = self.indices[0]
        self._block = slice(first, self._span) if self._span - first == len(self.indices) else None
        self._first = first
        return SheetHeader(self._sheet, unique(self._names), self._rows)

    def project(self, cells: list[str]) -> tuple[str, ...]:
        """The cells of the table's columns, blank where the row is short."""
        short = self._span - len(cells)
        if short > 0:
            cells = cells + [""] * short
        if self._block is not None:
            return tuple(cells[self._block])
        return tuple([cells[index] for index in self.indices])

    def unknown_columns(self, cells: list[str]) -> list[int]:
        """Columns this row uses and the table does not have yet."""
        if self._block is not None and len(cells) <= self._span and not any(cells[: self._first]):
            return []
        return [column for column in filled(cells) if column not in self._known]

    def add_columns(self, columns: list[int]) -> None:
        """Take in columns found late."""
        order = [*self.indices, *columns]
        names = [*self._names, *(blank_name(column) for column in columns)]
        self.indices, self._names = order, names
        if len(order) > self._limits.columns:
            self._build_header()
        self._known = set(order)
        self._span = max(order) + 1
        self._block = None
        self.header = SheetHeader(self._sheet, unique(names), self._rows)


def read_table(
    sheet: str,
    rows: Iterable[Row],
    header_row: int | None,
    limits: Limits,
    batch_rows: int,
    merges: Callable[[], Iterable[Merge]] = tuple,
    ragged: bool = False,
) -> Iterator[RowBatch | ReadWarning]:
    """The table of one sheet.

    Rows come as texts with their numbers, blank rows left out. Raises NoTable when the sheet has rows but no table.
    A sheet without any row yields nothing.
    """
    source = iter(rows)
    if header_row is None:
        sample = list(islice(source, SAMPLE_ROWS))
        if not sample:
            return
        header = find_header(sample, merges())
        if header is None:
            raise NoTable(why_no_header(sheet, sample, complete=len(sample) < SAMPLE_ROWS))
        head = next(row for row in sample if row[0] == header.rows[-1])
        above = [row for row in sample if row[0] < header.rows[0]]
        sample = [row for row in sample if row[0] > header.rows[-1]]
    else:
        parts = _read_to_header(sheet, source, header_row)
        if parts is None:
            return
        above, head, sample = parts
        header = _header_of(head, sample)
    warnings = WarningLimiter(sheet, limits.warnings)
    table = Table(sheet, header, limits)
    if above:
        yield ReadWarning(sheet, above[0][0], _describe_skipped_rows(above))
    if not sample:
        raise NoTable(f'sheet "{sheet}" has a header in row {header.rows[-1]} but no rows below it')
    body = chain(sample, source)
    fields = fields_of([head, *sample]) if ragged else 0
    typed, narrow = profile(table, sample)
    yield from _batched(table, without_notes(body, table, typed, narrow, warnings), warnings, batch_rows, fields)
    yield from warnings.summaries()


def _read_to_header(sheet: str, source: Iterator[Row], header_row: int) -> tuple[list[Row], Row, list[Row]] | None:
    """Rows above (the last few), the row the template names, and a sample of the rows below it."""
    above: list[Row] = []
    last = 0
    for row in source:
        last = row[0]
        if row[0] == header_row:
            return above, row, list(islice(source, SAMPLE_ROWS))
        if row[0] > header_row:
            raise NoTable(f'row {header_row} of sheet "{sheet}", where the template puts the header, is blank')
        above = [*above[-ABOVE_ROWS:], row]
    if not last:
        return None
    raise NoTable(
        f"the template puts the header in row {header_row}, but the last row with values "
        f'of sheet "{sheet}" is row {last}'
    )


def _header_of(head: Row, sample: Sequence[Row]) -> Header:
    number, cells = head
    columns = sorted({*filled(cells), *(column for _number, below in sample for column in filled(below))})
    return Header((number,), tuple(columns), tuple(" ".join(at(cells, column).split()) for column in columns))


def why_no_header(sheet: str, sample: Sequence[Row], complete: bool) -> str:
    """The sentence for a sheet whose header could not be found."""
    number, cells = sample[-1]
    labels = [text for text in cells if text and not is_typed(text)]
    if complete and len(sample) == 1 and len(labels) >= 2:
        return f'sheet "{sheet}" has a header in row {number} but no rows below it'
    count = f"{len(sample)} row{'s' * (len(sample) != 1)} with values" if complete else "many rows"
    return f'no header row was found in sheet "{sheet}" ({count}); {GIVE_HEADER_ROW} or send a sheet that is one table'


def _describe_skipped_rows(above: Sequence[Row]) -> str:
    which = f"row {above[0][0]}" if len(above) == 1 else f"rows {above[0][0]} to {above[-1][0]}"
    return (
        f"{which} above the header taken as title, not read as data: {quoted(chain.from_iterable(c for _, c in above))}"
    )


def fields_of(rows: Sequence[Row]) -> int:
    """The number of fields a record of this text file should have: what most have, else what the header has."""
    lengths = Counter(len(cells) for _number, cells in rows)
    length, times = lengths.most_common(1)[0]
    return length if times * 2 > len(rows) else len(rows[0][1])


def _batched(
    table: Table, rows: Iterable[Row | ReadWarning], warnings: WarningLimiter, batch_rows: int, fields: int
) -> Iterator[RowBatch | ReadWarning]:
    """Rows cut to the table's columns, in batches bounded by rows and by characters."""
    batch: list[tuple[int, tuple[str, ...]]] = []
    chars = 0
    for row in rows:
        if isinstance(row, ReadWarning):
            if batch:
                yield RowBatch(table.header, batch)
                batch = []
            yield row
            continue
        number, cells = row
        if fields and len(cells) != fields:
            message = (
                f"row {number} has {len(cells)} fields where the others have {fields}; "
                "look for a missing or an extra delimiter"
            )
            yield from warnings.about("a different number of fields", number, message)
        late = table.unknown_columns(cells)
        if late:
            if batch:
                yield RowBatch(table.header, batch)
                batch, chars = [], 0
            table.add_columns(late)
            where = ", ".join(letters(column) for column in late)
            yield from warnings.about(
                "cells outside the table",
                number,
                f"row {number} has cells right or left of the table; column {where} added",
            )
        texts = table.project(cells)
        chars += sum(map(len, texts))
        batch.append((number, texts))
        if len(batch) >= batch_rows or chars >= BATCH_CHARS:
            yield RowBatch(table.header, batch)
            batch, chars = [], 0
    if batch:
        yield RowBatch(table.header, batch)
