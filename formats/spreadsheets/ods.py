"""ods as a stream: the second reader, for files calamine refuses (15 of 157 in the corpus are pretty-printed).

Standard library only: odfpy builds the whole document in memory, and pandas on it loses long durations and "VRAI".
Entities cannot bite: sandbox/preflight.py has refused every document type declaration in this part.
"""

from __future__ import annotations

import datetime as dt
import re
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, iterparse

from formats.errors import ReaderFailed, TooManyColumns
from formats.limits import Limits
from formats.spreadsheets.sheet import RawRow, Sheet

OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
CALCEXT = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}"
CELLS = (f"{TABLE}table-cell", f"{TABLE}covered-table-cell")
SHEET_COLUMNS = 16_384
_DURATION = re.compile(r"(-?)P(?:(\d+)D)?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")


def open_opendocument(path: Path, limits: Limits) -> Iterator[Sheet]:
    """Sheets in their order; each is parsed again when its rows are asked for."""
    hidden_styles: set[str] = set()
    names: list[tuple[str, str]] = []
    for event, element in _events(path):
        if event == "start" and element.tag == f"{TABLE}table":
            names.append((element.get(f"{TABLE}name", ""), element.get(f"{TABLE}style-name", "")))
        elif event == "end" and element.tag == f"{STYLE}style":
            properties = element.find(f"{STYLE}table-properties")
            if properties is not None and properties.get(f"{TABLE}display") == "false":
                hidden_styles.add(element.get(f"{STYLE}name", ""))
        elif event == "end" and element.tag == f"{TABLE}table-row":
            element.clear()
    if not names:
        raise ReaderFailed("no table in content.xml")
    for index, (name, style) in enumerate(names):
        yield Sheet(name, style in hidden_styles, partial(_rows, path, index, limits))


def _events(path: Path) -> Iterator[tuple[str, Element]]:
    try:
        with zipfile.ZipFile(path) as package:
            member = next(name for name in package.namelist() if name.lower().lstrip("/") == "content.xml")
            with package.open(member) as part:
                yield from iterparse(part, ("start", "end"))
    except (ParseError, StopIteration, zipfile.BadZipFile, zlib.error) as error:
        raise ReaderFailed(str(error)) from error


def _rows(path: Path, wanted: int, limits: Limits) -> Iterator[RawRow]:
    sheet = -1
    number = 1
    for event, element in _events(path):
        if event == "start" and element.tag == f"{TABLE}table":
            sheet += 1
            if sheet > wanted:
                return
        elif event == "end" and element.tag == f"{TABLE}table-row":
            times = _repeats(element, "number-rows-repeated")
            if sheet == wanted:
                cells = _cells(element, limits)
                if cells:
                    yield from ((number + again, cells) for again in range(times))
            number = number + times if sheet == wanted else 1
            element.clear()


def _repeats(element: Element, attribute: str) -> int:
    text = element.get(f"{TABLE}{attribute}", "1")
    return max(1, int(text)) if text.isdecimal() else 1


def _cells(row: Element, limits: Limits) -> list[Any]:
    """The cells of a row up to the last one with a value; blank repeats at the end are only layout."""
    cells: list[Any] = []
    gap = 0
    for cell in row:
        if cell.tag not in CELLS:
            continue
        value = _value(cell, limits)
        times = _repeats(cell, "number-columns-repeated")
        if value is None or value == "":
            gap += times
            continue
        if len(cells) + gap + times > SHEET_COLUMNS:
            raise TooManyColumns(
                "a row of the sheet is wider than a sheet can be; delete the columns that are not needed"
            )
        cells.extend([None] * gap)
        cells.extend([value] * times)
        gap = 0
    return cells


def _value(cell: Element, limits: Limits) -> Any:
    kind = cell.get(f"{OFFICE}value-type")
    if cell.get(f"{CALCEXT}value-type") == "error" or kind in (None, "string"):
        return cell.get(f"{OFFICE}string-value") or _text(cell, limits)
    try:
        if kind in ("float", "percentage", "currency"):
            value = cell.get(f"{OFFICE}value", "")
            return int(value) if value.lstrip("-").isdecimal() else float(value)
        if kind == "boolean":
            return cell.get(f"{OFFICE}boolean-value") == "true"
        if kind == "date":
            return dt.datetime.fromisoformat(cell.get(f"{OFFICE}date-value", ""))
        if kind == "time":
            return moment(cell.get(f"{OFFICE}time-value", ""))
    except ValueError:
        pass  # a value that is not of its type: what the cell shows is the best there is
    return _text(cell, limits)


def moment(text: str) -> dt.time | dt.timedelta | str:
    """PT12H30M00S as a time of day; 24 hours and more, or a negative one, as a duration."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return text
    sign, days, hours, minutes, seconds = match.groups()
    span = dt.timedelta(
        days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0), seconds=float(seconds or 0)
    )
    if sign:
        return -span
    return span if span >= dt.timedelta(days=1) else time_of(span)


def time_of(span: dt.timedelta) -> dt.time:
    """The time of day so long after midnight. Cells have no time zone."""
    return (dt.datetime.combine(dt.date(2000, 1, 1), dt.time()) + span).time()


def _text(cell: Element, limits: Limits) -> str:
    """What the cell shows: its paragraphs, without comments."""
    return "\n".join("".join(_runs(p, limits)) for p in cell.findall(f"{TEXT}p"))


def _runs(element: Element, limits: Limits) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag == f"{TEXT}s":
            count = child.get(f"{TEXT}c", "1")
            yield " " * min(int(count) if count.isdecimal() else 1, limits.cell_chars + 1)
        elif child.tag == f"{TEXT}tab":
            yield "\t"
        elif child.tag == f"{TEXT}line-break":
            yield "\n"
        elif child.tag != f"{OFFICE}annotation":
            yield from _runs(child, limits)
        yield child.tail or ""
