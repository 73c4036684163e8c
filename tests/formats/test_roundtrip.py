"""A table a program wrote gives the same texts back, in every format we can write, and whatever is in the cells."""

from __future__ import annotations

import csv
import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formats.spreadsheets.cell_text import text_of
from tests.formats.conftest import Read, read_all

Rows = list[list[Any]]
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Co", "Cn")), min_size=1, max_size=30).filter(
    lambda text: bool(text_of(text)) and "_x" not in text and not text.startswith(("=", "{=", "#"))
)
CELL = st.one_of(
    WORDS,
    st.integers(-(10**15), 10**15),
    st.floats(-1e9, 1e9, allow_nan=False).map(lambda value: round(value, 4)),
    st.booleans(),
    st.dates(dt.date(1901, 1, 1), dt.date(2099, 12, 31)),
)
BODIES = st.integers(2, 6).flatmap(
    lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=12)
)


def with_header(body: Rows) -> Rows:
    return [[f"field {column}" for column in range(len(body[0]))], *body]


def by_xlsxwriter(path: Path, rows: Rows) -> None:
    book = xlsxwriter.Workbook(str(path), {"strings_to_urls": False, "strings_to_formulas": False})
    page, day = book.add_worksheet("표"), book.add_format({"num_format": "yyyy-mm-dd"})
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            page.write_datetime(number, column, cell, day) if isinstance(cell, dt.date) else page.write(
                number, column, cell
            )
    book.close()


def by_openpyxl(path: Path, rows: Rows) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(path)


def by_csv(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([text_of(cell) for cell in row] for row in rows)


@pytest.mark.parametrize("write", [by_xlsxwriter, by_openpyxl, by_csv], ids=lambda write: write.__name__)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=BODIES)
def test_what_was_written_is_read_back(write: Any, body: Rows) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        write(path, with_header(body))
        table = read_all(path, header_row=1).only
    assert list(table.rows.values()) == [tuple(text_of(cell) for cell in row) for row in body]


def test_what_people_lose_elsewhere_is_kept(read: Read, tmp_path: Path) -> None:
    day = dt.datetime.combine(dt.date(2026, 3, 1), dt.time(9, 30))
    body = [["00123", "1234567890123456", 1234567890123456, "김민준", 0.125, day, dt.time(18, 0)],
            ["NA", "None", 10**15, "null", -0.5, day, dt.time(0, 5)]]  # fmt: skip
    by_openpyxl(tmp_path / "a.xlsx", with_header(body))
    assert list(read(tmp_path / "a.xlsx").only.rows.values()) == [
        ("00123", "1234567890123456", "1234567890123456", "김민준", "0.125", "2026-03-01 09:30:00", "18:00:00"),
        ("NA", "None", "1000000000000000", "null", "-0.5", "2026-03-01 09:30:00", "00:05:00"),
    ]


def test_one_error_cell_does_not_read_as_a_blank(read: Read, tmp_path: Path) -> None:
    by_openpyxl(tmp_path / "a.xlsx", [["name", "pay"], ["Kim", 1], ["Lee", "#N/A"]])
    assert read(tmp_path / "a.xlsx").only.rows[3] == ("Lee", "#N/A")


def test_phone_numbers_shown_by_a_mask_are_read_as_shown(read: Read, tmp_path: Path) -> None:
    book = xlsxwriter.Workbook(str(tmp_path / "a.xlsx"))
    page = book.add_worksheet()
    page.write_row(0, 0, ["name", "phone"])
    page.write_row(1, 0, ["Kim"])
    page.write(1, 1, 1012345678, book.add_format({"num_format": "000-0000-0000"}))
    book.close()
    assert read(tmp_path / "a.xlsx").only.rows[2] == ("Kim", "010-1234-5678")
