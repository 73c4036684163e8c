"""The uploaded xlsx itself with one more column: every other byte of it stays, its formulas, styles and pictures too.

Excel's XML is not parsed and written again, which would lose what the writer does not know. The places where a cell
belongs are found, and cells are put in there.
"""

from __future__ import annotations

import posixpath
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat
from xml.sax.saxutils import escape

from domain.documents.tables import ERROR_COLUMN

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
WORKBOOK_TYPE = b"spreadsheetml.sheet.main+xml"  # not the one of a workbook with macros
SHEET_BYTES = 1 << 26  # of XML; beyond it a streamed copy is made

Errors = Mapping[int, str]  # row number → what is wrong


class NotMarkable(Exception):
    """Such a file is not marked in place; a copy of its rows is written instead."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What is to be written into one sheet."""

    header_row: int
    errors: Errors


def mark_workbook(source: Path, target: Path, marks: Mapping[str, Marks]) -> None:
    """Copy an xlsx with a column `ERROR_COLUMN` at the right of each sheet that has marks.

    Raises NotMarkable if the file is no plain xlsx, or a row is not where it should be.
    """
    try:
        with zipfile.ZipFile(source) as package, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
            if WORKBOOK_TYPE not in package.read("[Content_Types].xml"):
                raise NotMarkable("it is no plain xlsx")
            parts = {part: marks[name] for name, part in _sheets(package) if name in marks}
            if len(parts) < len(marks):
                raise NotMarkable("a sheet is not found")
            for member in package.infolist():
                if member.filename in parts:
                    made.writestr(member.filename, _marked(package, member, parts[member.filename]))
                else:
                    with package.open(member) as body, made.open(member.filename, "w", force_zip64=True) as out:
                        shutil.copyfileobj(body, out)
    except (KeyError, ValueError, expat.ExpatError, ElementTree.ParseError, zipfile.BadZipFile) as error:
        raise NotMarkable(f"its XML is unusual ({type(error).__name__})") from error


def _sheets(package: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """(name, part) of each sheet; the reader has checked that no prologue of a part declares entities."""
    relations = ElementTree.fromstring(package.read("xl/_rels/workbook.xml.rels"))
    targets = {relation.attrib["Id"]: relation.attrib["Target"] for relation in relations}
    for sheet in ElementTree.fromstring(package.read("xl/workbook.xml")).iter(f"{MAIN}sheet"):
        target = targets[sheet.attrib[RELATION]]
        yield sheet.attrib["name"], target[1:] if target.startswith("/") else posixpath.normpath(f"xl/{target}")


def _marked(package: zipfile.ZipFile, member: zipfile.ZipInfo, marks: Marks) -> bytes:
    if member.file_size > SHEET_BYTES:
        raise NotMarkable("a sheet is very long")
    xml = package.read(member)
    found = _Places(xml, {marks.header_row, *marks.errors})
    column = _letters(found.last_column + 1)
    texts = {marks.header_row: ERROR_COLUMN, **marks.errors}
    if missing := texts.keys() - found.ends.keys():
        raise NotMarkable(f"row {min(missing)} is not there")
    pieces, before = [], 0
    for row, at in sorted(found.ends.items(), key=lambda end: end[1]):
        style = f' s="{found.header_style}"' if row == marks.header_row and found.header_style else ""
        pieces += [xml[before:at], _cell(found.prefix, f"{column}{row}", style, texts[row])]
        before = at
    return b"".join([*pieces, xml[before:]])


def _cell(prefix: str, address: str, style: str, text: str) -> bytes:
    p = prefix
    escaped = escape("".join(c if c.isprintable() or c == "\n" else "�" for c in text))
    return f'<{p}c r="{address}"{style} t="inlineStr"><{p}is><{p}t>{escaped}</{p}t></{p}is></{p}c>'.encode()


@dataclass(slots=True)
class _Places:
    """Where the wanted rows of a sheet end, in bytes; its last column that holds anything; how its header looks."""

    xml: bytes
    wanted: set[int]
    ends: dict[int, int] = field(default_factory=dict)
    last_column: int = 0
    prefix: str = ""
    header_style: str = ""
    _row: int = 0
    _column: int = 0
    _style: str = ""

    def __post_init__(self) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = False

        def start(name: str, attributes: dict[str, str]) -> None:
            kind = name.rpartition(":")[2]
            if kind == "row":
                self._row, self._column = int(attributes.get("r", self._row + 1)), 0
                self.prefix = name[: -len(kind)]
            elif kind == "c":
                self._column = _number(attributes["r"]) if "r" in attributes else self._column + 1
                self._style = attributes.get("s", "")
            elif kind in ("v", "is"):
                self.last_column = max(self.last_column, self._column)
                if self._row == min(self.wanted):
                    self.header_style = self._style

        def end(name: str) -> None:
            if name.rpartition(":")[2] == "row" and self._row in self.wanted:
                at = parser.CurrentByteIndex
                if self.xml[at : at + 2] != b"</":
                    raise NotMarkable(f"row {self._row} holds nothing")
                self.ends[self._row] = at

        handlers: Any = parser
        handlers.StartElementHandler, handlers.EndElementHandler = start, end
        parser.Parse(self.xml, True)


def _number(address: str) -> int:
    """28 of AB12."""
    number = 0
    for letter in address:
        if letter.isalpha():
            number = number * 26 + ord(letter.upper()) - 64
    return number


def _letters(number: int) -> str:
    """AB of 28."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
