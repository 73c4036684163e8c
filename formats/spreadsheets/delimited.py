"""csv and tsv: records by the standard library, delimiter found, encoding by encoding.py. Row 1 is record 1."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from domain.documents.tables import ReadWarning
from formats.encoding import encoding_of
from formats.errors import FileTooLarge, UnsupportedFormat
from formats.limits import Limits
from formats.spreadsheets.sheet import Sheet

DELIMITERS = (",", ";", "\t", "|")
SNIFF_RECORDS = 100
SNIFF_CHARS = 2**16
SHEET = "csv"


def open_delimited(path: Path, limits: Limits) -> Iterator[Sheet | ReadWarning]:
    """The one sheet of a delimited file, and a warning when its encoding was guessed."""
    encoding = encoding_of(path)
    if encoding.warning:
        yield ReadWarning(None, None, encoding.warning)
    csv.field_size_limit(limits.row_chars)
    with path.open(encoding=encoding.codec, newline="", errors="replace") as file:
        head = file.read(SNIFF_CHARS)
    if not head.strip("\ufeff \t\r\n\x00"):
        return
    delimiter = delimiter_of(head)
    yield Sheet(SHEET, hidden=False, rows=lambda: _records(path, encoding.codec, delimiter), ragged=True)


def delimiter_of(head: str) -> str:
    """The delimiter that cuts most records into the same number of fields; of equals the one with more fields."""
    return max(DELIMITERS, key=lambda delimiter: _agreement(head, delimiter))


def _agreement(head: str, delimiter: str) -> tuple[float, int]:
    """Records that agree on a number of fields over one, and that number."""
    widths: Counter[int] = Counter()
    try:
        for record in islice(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), SNIFF_RECORDS):
            if len(record) > 1:
                widths[len(record)] += 1
    except csv.Error:
        return (0, 0)
    if not widths:
        return (0, 0)
    width, records = max(widths.items(), key=lambda item: (item[1], item[0]))
    return (records, width)


def _records(path: Path, codec: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding=codec, newline="", errors="replace") as file:
        try:
            yield from enumerate(csv.reader(file, delimiter=delimiter), 1)
        except csv.Error as error:
            if "field larger" in str(error):
                raise FileTooLarge(
                    "a field of the file never ends; look for a quotation mark without its partner"
                ) from error
            raise UnsupportedFormat(
                f"the file is not a table of text ({error}); save it as .xlsx or .csv again"
            ) from error
