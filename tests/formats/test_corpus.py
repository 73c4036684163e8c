"""The 52 real workbooks of tests/data/workbooks, each giving what its README line says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from domain.errors import UnreadableFile
from formats import errors
from tests.formats.conftest import Read


class Gives(NamedTuple):
    file: str
    sheet: str
    header: tuple[int, ...]
    columns: str  # the first names, comma-separated
    count: int
    rows: tuple[int, int]  # first and last row number
    cells: dict[tuple[int, str], str] = {}  # noqa: RUF012 - a NamedTuple has no other way


PEOPLE = "Name, Profession, Age, Has kids, Date of birth, Date of death"
PLAIN = "number, text, boolean, date, datetime"
PLAIN_CELLS = {
    (2, "number"): "1", (2, "boolean"): "TRUE", (2, "date"): "2015-11-04", (2, "datetime"): "2015-11-04 12:22:00",
    (3, "text"): "👍", (4, "number"): "", (4, "text"): "b",
}  # fmt: skip
TOYOTA = {(2, "RecordSpec"): "1", (2, "Name"): "豊田", (18, "CompanyName"): "西龍湖"}
TABLES = [
    Gives("plain_types.xlsx", "test.csv", (1,), PLAIN, 3, (2, 4), PLAIN_CELLS),
    Gives("header_row4.xlsx", "test.csv", (4,), PLAIN, 3, (5, 7)),
    Gives("second_sheet.xlsx", "data", (1,), PLAIN, 3, (2, 4)),
    Gives("numeric_header.xlsx", "Sheet1", (1,), "Country, 2013, column C", 1, (2, 2), {(2, "column C"): "value"}),
    Gives("county_equipment.xlsx", "NE data", (1,), "state, county, fips", 1036, (2, 1037), {(1037, "county"): "YORK"}),
    Gives("title_and_notes.xlsx", "arts", (5,), PEOPLE, 10, (6, 15), {(6, "Date of birth"): "1947-01-08"}),
    Gives("title_and_notes.xlsx", "other", (5,), PEOPLE, 10, (6, 15)),
    Gives("title_and_notes.xls", "arts", (5,), PEOPLE, 10, (6, 15), {(6, "Has kids"): "TRUE"}),
    Gives("title_and_notes.xls", "other", (5,), PEOPLE, 10, (6, 15)),
    Gives("two_row_header.xlsx", "list-column", (1,), "name, value", 4, (2, 5), {(5, "value"): "0.9"}),
    Gives("two_row_header.xlsx", "two-row-header", (1, 2), "name / (at birth)", 1, (3, 3)),
    Gives("title_then_header.xlsx", "Stanley Cups", (2,), "Team, Location, Stanley Cups", 3, (3, 5)),
    Gives("title_then_header.xlsx", "Stanley Cups Since 67", (2,), "Team, Location, Stanley Cups", 3, (3, 5)),
    Gives("serials_leading_zero.xls", "ExportESNData", (1,), "PACKING_SLIP_NUMBER", 60, (2, 61),
          {(2, "PACKING_SLIP_NUMBER"): "0023707", (2, "SERIAL_NUMBER"): "0067187"}),
    Gives("task_list_ja.xls", "作業リスト", (3,), "作業NO, Status, 分類", 44, (4, 60), {(4, "担当者"): "川本\n古城"}),
    Gives("income_statement_zh.xls", "Sheet1", (6,), "代码, 项目名称, 科目号, 金额, 代码 (2), 项目名称 (2)", 353,
          (7, 360),
          {(7, "代码"): "01", (7, "项目名称 (2)"): "七、利息支出类"}),
    Gives("products_sk.xls", "vyrobky_20040908", (1,), "Assortment_category, Leaflet__", 97, (2, 98),
          {(2, "Product"): "Ryža guľatozrnná 1 kg", (2, "Date_from"): "2009-10-21"}),
    Gives("codes_hidden_sheets.xlsx", "CodeLists", (1,), "Code, Code name", 2438, (2, 2439)),
    Gives("balance_two_row_header.xlsx", "balance", (2, 3),
          "Category, Account, Balance / Opening, Balance / Ending, Transaction / Debit, Transaction / Credit", 7,
          (4, 10),
          {(10, "Category"): "Totals", (10, "Transaction / Debit"): "600.25"}),
    Gives("number_formats.xlsx", "Tests", (1,), "Result (expected), Format, Value", 325, (2, 335)),
    Gives("japanese.xlsb", "Sheet1", (1,), "RecordSpec, Name, CompanyName, Comment", 17, (2, 18), TOYOTA),
    Gives("japanese.xlsx", "Sheet1", (1,), "RecordSpec, Name, CompanyName, Comment", 17, (2, 18), TOYOTA),
    Gives("strict.xlsx", "Sheet Number 2", (6,), "cb=1, cb=10, cb=2, cb=sum", 1, (7, 7), {(7, "cb=sum"): "13"}),
    Gives("merged_ranges.xlsx", "Sheet1", (1,), "A1, B1, C1, E1", 2, (3, 4)),
    Gives("merged_ranges.xlsx", "Sheet2", (1,), "A1, B1, C1, E1, F1", 2, (3, 4)),
    Gives("mixed_types.xlsx", "Sheet1", (1,), "Employee ID, Employee Name", 9, (2, 10),
          {(2, "Employee ID"): "123456", (7, "Employee ID"): "US00011", (10, "Mixed bools"): "other"}),
    Gives("offset_table.xlsx", "without-table", (10,), "Column at H10, Column at I10, Column at K10", 3, (11, 13)),
    Gives("offset_table.xlsx", "with-table", (5,), "Column at D5, Column at E5", 4, (6, 9), {(9, "Column at E5"): "8"}),
    Gives("uncompressed_strings.xls", "Sheet1", (2,), "column A, Jan, Feb", 7, (3, 9),
          {(3, "column A"): "2010", (3, "Jan"): "-0.0118", (4, "Jun"): "-0.014"}),
    Gives("film_list.ods", "Films", (1,), "Category, Title, Director, Release Date", 4, (2, 5),
          {(2, "Release Date"): "2012-03-28", (2, "Good?"): "FALSE", (4, "Director"): ""}),
    Gives("xls_named.ods", "Sheet1", (3,), "Date, Start time, End time, Pause", 10, (4, 13),
          {(4, "Date"): "2007-05-07"}),
    Gives("utf16le.csv", "csv", (1,), "Organisation_code, Organisation_name", 327, (2, 328)),
    Gives("initial_space.csv", "csv", (1,), "field1, field2", 2, (2, 3), {(2, "field2"): "goodbye"}),
    Gives("weird_head_padding.csv", "csv", (12,), "column A, 1985, 1993, 2000", 60, (13, 72),
          {(14, "column A"): "Gefäßchirurgie", (14, "1993"): "379"}),
    Gives("mac_newlines.csv", "csv", (1,), "a, b, c", 2, (2, 3), {(3, "a"): "Once upon\na time"}),
    Gives("latin1.csv", "csv", (1,), "a, b, c", 2, (2, 3), {(3, "c"): "©"}),
    Gives("ragged.csv", "csv", (1,), "column_a, column_b, column_c, column D", 3, (2, 4),
          {(2, "column D"): "I'm too long!", (3, "column_b"): "I'm too short!", (3, "column_c"): ""}),
    Gives("text_named.xlsx", "csv", (1,), "csv--11, csv--12, csv--13", 2, (2, 3)),
]  # fmt: skip

NO_HEADER = r"no header row was found in sheet .* \(headerRow; who runs Rowline stores it\)"
ERRORS = [
    ("empty.xlsx", errors.EmptyFile, "no rows found"),
    ("many_small_tables.xlsx", errors.NoTable, NO_HEADER),
    ("zip_format.xlsx", errors.NoTable, NO_HEADER),
    ("items_hidden_sheets.xls", errors.NoTable, NO_HEADER + '.*hidden sheets.*"Item Info"'),
    ("form_ko.xlsx", errors.NoTable, NO_HEADER),
    ("departments_ko.xlsx", errors.NoTable, NO_HEADER),
    ("worksheet_ko.xls", errors.NoTable, NO_HEADER),
    ("date1904.xlsx", errors.NoTable, NO_HEADER),
    ("errors.xlsx", errors.NoTable, r"Feuil1\" \(7 rows with values\)"),
    ("any_sheets.xlsx", errors.NoTable, NO_HEADER + ".*Hidden.*VeryHidden"),
    ("any_sheets.ods", errors.NoTable, NO_HEADER + ".*Hidden.*VeryHidden"),
    ("pretty_printed.ods", errors.NoTable, "header in row 1 but no rows below it"),
    ("biff3.xls", errors.NoTable, NO_HEADER),
    ("sheet_protected.xlsx", errors.NoTable, NO_HEADER),
    ("password_agile.xlsx", errors.PasswordProtected, "has a password"),
    ("password.xls", errors.PasswordProtected, "has a password"),
    ("entity_bomb.xlsx", errors.UnsafeFile, "document type declarations are not allowed"),
    ("empty_zip.xlsx", errors.UnsupportedFormat, "zip archive without a workbook"),
    ("fat_loop.xls", errors.DamagedFile, "damaged"),
]


@pytest.mark.parametrize("gives", TABLES, ids=lambda gives: f"{gives.file}-{gives.sheet}")
def test_file_gives_the_table_its_readme_line_says(gives: Gives, read: Read, workbooks: Path) -> None:
    table = read(workbooks / gives.file).tables[gives.sheet]
    names = gives.columns.split(", ")
    assert table.header_rows == gives.header
    assert list(table.columns[: len(names)]) == names
    assert (len(table.rows), (min(table.rows), max(table.rows))) == (gives.count, gives.rows)
    assert {place: table.cell(*place) for place in gives.cells} == gives.cells
    assert not any("\x00" in cell for cells in table.rows.values() for cell in cells)


@pytest.mark.parametrize(("file", "kind", "sentence"), ERRORS, ids=[error[0] for error in ERRORS])
def test_file_without_a_table_ends_in_one_clear_sentence(
    file: str, kind: type[UnreadableFile], sentence: str, read: Read, workbooks: Path
) -> None:
    with pytest.raises(kind, match=sentence) as raised:
        read(workbooks / file, name=f"내 파일 {file}")
    message = str(raised.value)
    assert message.startswith(f"내 파일 {file}: ")
    assert "\n" not in message
    assert "Traceback" not in message


def test_every_file_of_the_readme_has_its_line_here(workbooks: Path) -> None:
    listed = set(re.findall(r"^\| (\S+\.\w+) \|", (workbooks / "README.md").read_text(), re.MULTILINE))
    tested = {gives.file for gives in TABLES} | {error[0] for error in ERRORS} | {"plain_types.xls"}
    assert len(listed) == 52
    assert tested == listed == {path.name for path in workbooks.iterdir()} - {"README.md"}


@pytest.mark.parametrize(
    ("left", "right"),
    [("plain_types.xls", "plain_types.xlsx"), ("japanese.xlsb", "japanese.xlsx"),
     ("title_and_notes.xls", "title_and_notes.xlsx")],
)  # fmt: skip
def test_the_same_table_in_two_formats_reads_the_same(left: str, right: str, read: Read, workbooks: Path) -> None:
    assert read(workbooks / left).tables == read(workbooks / right).tables


def test_notes_above_and_below_a_table_are_told_with_their_rows(read: Read, workbooks: Path) -> None:
    answer = read(workbooks / "title_and_notes.xlsx")
    arts = [warning for warning in answer.warnings if warning.sheet == "arts"]
    assert [warning.row_number for warning in arts] == [1, 16, 17, 18, 19]
    assert "Lots of people" in arts[0].message
    assert "at the | bottom," in arts[3].message


def test_legend_below_a_table_is_told(read: Read, workbooks: Path) -> None:
    answer = read(workbooks / "task_list_ja.xls")
    assert [warning.row_number for warning in answer.warnings_with("below the table")] == [63, 64, 65, 66]


def test_ragged_rows_are_kept_and_told(read: Read, workbooks: Path) -> None:
    answer = read(workbooks / "ragged.csv")
    assert [(n.row_number, "has 4 fields" in n.message) for n in answer.warnings_with("fields")] == [
        (2, True),
        (3, False),
    ]


def test_hidden_sheets_are_named_and_read_only_when_asked_for(read: Read, workbooks: Path) -> None:
    answer = read(workbooks / "codes_hidden_sheets.xlsx")
    assert list(answer.tables) == ["CodeLists"]
    assert '"Map", "Others", "TDS"' in answer.warnings_with("hidden")[0].message
    assert answer.warnings_with('sheet "Test" has a header in row 1 but no rows')
    assert len(read(workbooks / "items_hidden_sheets.xls", sheet="Item Info").only.rows) == 175


def test_long_numbers_are_never_scientific(read: Read, workbooks: Path) -> None:
    table = read(workbooks / "items_hidden_sheets.xls", sheet="Item Info").only
    assert (table.cell(2, "UPC"), table.cell(2, "12 UPC")) == ("4227200558", "42272005581")


def test_unknown_sheet_lists_the_ones_there_are(read: Read, workbooks: Path) -> None:
    with pytest.raises(errors.UnknownSheet, match=r'no sheet "직원"; the sheets are "arts", "other"'):
        read(workbooks / "title_and_notes.xlsx", sheet="직원")


def test_fixed_header_row_is_obeyed(read: Read, workbooks: Path) -> None:
    table = read(workbooks / "any_sheets.xlsx", header_row=1).only
    assert (table.columns, table.rows[2], table.rows[3]) == (("1", "2"), ("3", "4"), ("5", "6"))
    departments = read(workbooks / "departments_ko.xlsx", header_row=2).only
    assert departments.columns[0] == "가나다"
    assert len(departments.rows) == 7


def test_header_row_beyond_the_sheet_says_where_the_sheet_ends(read: Read, workbooks: Path) -> None:
    with pytest.raises(errors.NoTable, match=r"header in row 99, but the last row .* is row 4"):
        read(workbooks / "plain_types.xlsx", header_row=99)
    with pytest.raises(errors.NoTable, match=r"row 2 of sheet .* is blank"):
        read(workbooks / "header_row4.xlsx", header_row=2)


def test_leading_zeros_of_a_number_format_are_read_as_shown(read: Read, workbooks: Path) -> None:
    table = read(workbooks / "zip_format.xlsx", header_row=1).only
    assert [cells[0] for cells in table.rows.values()] == ["06083", "10083", "05010"]


def test_error_cells_are_read_as_errors(read: Read, workbooks: Path) -> None:
    table = read(workbooks / "errors.xlsx", header_row=1).only
    assert {"#N/A", "#REF!", "#NAME?"} <= {cells[0] for cells in table.rows.values()} | set(table.columns)


def test_1904_dates_and_long_durations_read_right(read: Read, workbooks: Path) -> None:
    table = read(workbooks / "date1904.xlsx", header_row=1).only
    assert table.columns[0] == "2021-01-01"
    assert [cells[0] for cells in table.rows.values()] == ["2021-01-02", "255:10:10"]


def test_excel_3_files_are_read(read: Read, workbooks: Path) -> None:
    assert len(read(workbooks / "biff3.xls", header_row=1).only.rows) == 9


@pytest.mark.parametrize(
    ("file", "words"), [("text_named.xlsx", "delimited text"), ("xls_named.ods", "content is xls")]
)
def test_a_name_that_promises_another_format_is_told(file: str, words: str, read: Read, workbooks: Path) -> None:
    assert read(workbooks / file).warnings_with(words)
