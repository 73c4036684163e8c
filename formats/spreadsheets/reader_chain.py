"""The ladder: which readers open which kind of file, in which order. Each rung runs in a child of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from domain.documents.tables import ReadWarning
from formats.detection import Kind
from formats.limits import Limits
from formats.spreadsheets.sheet import Sheet

LOSSY = (
    "the workbook has error cells (#N/A, #DIV/0!) or numbers shown with leading zeros by a format; "
    "they are read as blanks and as plain numbers"
)


def ladder(kind: Kind, path: Path) -> tuple[str, ...]:
    """Readers for this file, best first. An xlsx whose cells show more than their values goes to openpyxl first."""
    if kind is Kind.XLSX:
        from formats.spreadsheets.fidelity import is_short, xlsx_shows_more

        if not xlsx_shows_more(path):
            return ("calamine", "openpyxl")
        return ("openpyxl", "calamine_lossy") if is_short(path) else ("calamine_lossy", "openpyxl")
    if kind is Kind.ODS:
        from formats.spreadsheets.fidelity import is_short, ods_has_errors

        if ods_has_errors(path) and is_short(path):
            return ("opendocument", "calamine_ods")
        return ("calamine_ods", "opendocument")
    return {
        Kind.XLSB: ("calamine",),
        Kind.XLS: ("xlrd", "calamine"),
        Kind.TEXT: ("delimited",),
    }[kind]


def open_sheets(reader: str, path: Path, limits: Limits) -> Iterator[Sheet | ReadWarning]:
    """The sheets of a file by the reader of that name."""
    if reader in ("calamine", "calamine_lossy", "calamine_ods"):
        from formats.spreadsheets.xlsx import open_calamine

        warnings = [ReadWarning(None, None, LOSSY)] if reader == "calamine_lossy" else []
        return chain(warnings, open_calamine(path, spans=reader == "calamine_ods"))
    if reader == "openpyxl":
        from formats.spreadsheets.xlsx import open_openpyxl

        return open_openpyxl(path)
    if reader == "xlrd":
        from formats.spreadsheets.xls import open_xlrd

        return open_xlrd(path)
    if reader == "opendocument":
        from formats.spreadsheets.ods import open_opendocument

        return open_opendocument(path, limits)
    if reader == "delimited":
        from formats.spreadsheets.delimited import open_delimited

        return open_delimited(path, limits)
    raise ValueError(reader)
