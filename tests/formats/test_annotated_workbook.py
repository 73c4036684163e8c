"""An xlsx comes back as it was uploaded, with one more column."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import xlsxwriter
from openpyxl import load_workbook

from domain.documents.tables import ERROR_COLUMN, ReadWarning, RowBatch
from formats.reading import read_workbook
from formats.writers.error_workbook import write_marked_workbook

WORKBOOKS = Path(__file__).parents[1] / "data" / "workbooks"
MARKED = [
    *("codes_hidden_sheets.xlsx", "county_equipment.xlsx", "header_row4.xlsx", "japanese.xlsx", "merged_ranges.xlsx"),
    *("number_formats.xlsx", "numeric_header.xlsx", "offset_table.xlsx", "second_sheet.xlsx"),
]
WRONG, SAID = "사번 E9 <없음> & \x07 남음", "사번 E9 <없음> & � 남음"


def read(path: Path) -> Iterator[RowBatch | ReadWarning]:
    return read_workbook(path, path.name)


def premiums(folder: Path) -> Path:
    """A sheet as offices make them: a title above, dates, money with a format, a formula, a second sheet."""
    path = folder / "premiums.xlsx"
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet("보험료")
        page.write("A1", "2026년 보험료", book.add_format({"bold": True, "font_size": 20}))
        page.write_row("A3", ["번호", "이름", "가입일", "금액", "합계"], book.add_format({"bg_color": "#DDEEFF"}))
        for at, (number, name, amount) in enumerate([("007", "김", 1200), ("E9", "이", 800), ("E2", "박", 5)], 3):
            page.write_row(at, 0, [number, name])
            page.write_datetime(at, 2, date(2026, 1, at), book.add_format({"num_format": "yyyy-mm-dd"}))
            page.write_number(at, 3, amount, book.add_format({"num_format": "#,##0 ₩"}))
            page.write_formula(at, 4, f"=D{at + 1}*12", None, amount * 12)
        other = book.add_worksheet("memo")
        other.write_row(0, 0, ["key", "text"])
        other.write_row(1, 0, ["a", "keep me"])
    return path


def test_everything_stays_and_the_wrong_rows_say_why(tmp_path: Path):
    source, target = premiums(tmp_path), tmp_path / "errors.xlsx"
    assert write_marked_workbook(source, target, read, [("보험료", 5, WRONG)]) == 1
    before, after = load_workbook(source), load_workbook(target)
    for sheet in before:
        for row in sheet.iter_rows():
            for cell in row:
                twin = after[sheet.title][cell.coordinate]
                assert (twin.value, twin.style_id) == (cell.value, cell.style_id)
    page = after["보험료"]
    assert [page[f"F{row}"].value for row in (1, 3, 4, 5, 6)] == [None, ERROR_COLUMN, None, SAID, None]
    assert page["F3"].fill.fgColor.rgb == page["E3"].fill.fgColor.rgb
    assert load_workbook(target, data_only=True)["보험료"]["E5"].value == 9600, "what Excel last computed"
    with zipfile.ZipFile(source) as one, zipfile.ZipFile(target) as two:
        changed = [name for name in one.namelist() if one.read(name) != two.read(name)]
        assert (changed, one.namelist()) == (["xl/worksheets/sheet1.xml"], two.namelist())


def test_the_column_is_none_of_the_rows_when_it_is_uploaded_again(tmp_path: Path):
    source, target = premiums(tmp_path), tmp_path / "errors.xlsx"
    write_marked_workbook(source, target, read, [("보험료", 4, "x"), ("보험료", 6, "y")])
    assert write_marked_workbook(target, tmp_path / "again.xlsx", read, [("보험료", 4, "x")]) == 0, "it has one"


def ends(path: Path) -> list[tuple[str, int]]:
    """The first and the last row of each table."""
    rows: dict[str, list[int]] = {}
    for batch in read(path):
        if isinstance(batch, RowBatch):
            rows.setdefault(batch.header.sheet, []).extend(number for number, _ in batch.rows)
    return [(sheet, number) for sheet, numbers in rows.items() for number in sorted({numbers[0], numbers[-1]})]


@pytest.mark.parametrize("name", MARKED)
def test_real_files_are_marked(name: str, tmp_path: Path):
    errors = [(sheet, number, SAID) for sheet, number in ends(WORKBOOKS / name)]
    assert write_marked_workbook(WORKBOOKS / name, tmp_path / name, read, errors) == len(errors)
    told = [cells for batch in read(tmp_path / name) if isinstance(batch, RowBatch) for _, cells in batch.rows]
    assert sum(SAID in cells for cells in told) == len(errors)


@pytest.mark.parametrize("name", ["two_row_header.xlsx", "strict.xlsx", "text_named.xlsx"])
def test_what_would_be_read_otherwise_is_not_handed_out(name: str, tmp_path: Path):
    """A copy of the rows is written instead (`write_error_workbook`)."""
    errors = [(sheet, number, SAID) for sheet, number in ends(WORKBOOKS / name)]
    assert write_marked_workbook(WORKBOOKS / name, tmp_path / name, read, errors) == 0
