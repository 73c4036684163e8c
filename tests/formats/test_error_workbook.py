"""The error workbook: every row of every sheet at its place, as text, the wrong ones marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from domain.documents.tables import ERROR_COLUMN, ReadWarning, RowBatch, SheetHeader
from domain.errors import PermanentError
from formats.reading import read_workbook
from formats.writers.error_workbook import ErrorRow, write_error_workbook
from tests.domain.documents.examples import rows_of, sheet

STAFF = sheet(["no", "name"], [["007", "Bond"], ["=1+1", "#N/A"], ["3", ""]], "직원")


def made(folder: Path, parts: list[RowBatch | ReadWarning], errors: list[ErrorRow], **how: Any) -> Path:
    target = folder / "errors.xlsx"
    assert write_error_workbook(target, lambda: parts, errors, **how) == len(errors)
    return target


def cells(path: Path, title: str) -> list[list[Any]]:
    return [[cell.value for cell in row] for row in load_workbook(path)[title].iter_rows()]


def test_every_row_is_there_at_its_own_number_and_the_wrong_ones_say_why(tmp_path: Path):
    path = made(tmp_path, [STAFF], [("직원", 3, "employee =1+1 is unknown")])
    assert cells(path, "직원") == [
        ["no", "name", ERROR_COLUMN],
        ["007", "Bond", None],
        ["=1+1", "#N/A", "employee =1+1 is unknown"],
        ["3", None, None],
    ]


def test_texts_stay_texts_and_nothing_becomes_a_formula(tmp_path: Path):
    """A cell that begins with = would be run by the Excel of whoever opens the file."""
    hostile = sheet(["=a", "b"], [["=cmd|' /C calc'!A0", "+1"], ["@SUM(A1)", "#REF!"], ["-2", "007"]])
    path = made(tmp_path, [hostile], [("Sheet1", 2, "=HYPERLINK(1)")])
    kinds = {cell.data_type for row in load_workbook(path)["Sheet1"].iter_rows() for cell in row if cell.value}
    assert kinds == {"s"}


def test_wrong_rows_are_marked_the_header_is_bold_and_frozen_and_the_column_can_be_filtered(tmp_path: Path):
    page = load_workbook(made(tmp_path, [STAFF], [("직원", 3, "no")]))["직원"]
    fills = {row[0].row: {cell.fill.fgColor.rgb for cell in row if cell.fill.patternType} for row in page.iter_rows()}
    assert [bool(fills[number]) for number in (1, 2, 3, 4)] == [True, False, True, False]
    assert fills[1] != fills[3]
    assert all(cell.font.bold for cell in page[1])
    assert (page.freeze_panes, page.auto_filter.ref) == ("A2", "A1:C4")
    assert not any(row.hidden for row in page.row_dimensions.values())


def test_a_header_further_down_keeps_its_place(tmp_path: Path):
    """Row numbers are those of the uploaded sheet, also above the header and where rows were blank."""
    header = SheetHeader("S", ("a", "b"), (3, 4))
    path = made(tmp_path, [RowBatch(header, [(5, ("x", "1")), (9, ("y", "2"))])], [("S", 9, "no")])
    page = load_workbook(path)["S"]
    assert [page.cell(row, 1).value for row in range(1, 10)] == [None, None, None, "a", "x", None, None, None, "y"]
    assert (page.freeze_panes, page["C9"].value) == ("A5", "no")


def test_sheets_stay_apart_and_keep_their_names_as_far_as_excel_allows(tmp_path: Path):
    names = ["가/나", "가:나", "x" * 40, "X" * 40, "plain"]
    path = made(tmp_path, [sheet(["a"], [["1"]], name) for name in names], [("가:나", 2, "second")])
    book = load_workbook(path)
    assert book.sheetnames == ["가_나", "가_나 (2)", "x" * 31, "X" * 27 + " (2)", "plain"]
    assert [book[title]["B2"].value for title in book.sheetnames] == [None, "second", None, None, None]


def test_a_sheet_that_turns_out_to_be_wider_has_its_errors_in_one_column(tmp_path: Path):
    wide = RowBatch(SheetHeader("Sheet1", ("a", "b"), (1,)), [(3, ("2", "late"))])
    path = made(tmp_path, [sheet(["a"], [["1"]]), wide], [("Sheet1", 2, "first"), ("Sheet1", 3, "second")])
    assert cells(path, "Sheet1") == [["a", "b", ERROR_COLUMN], ["1", None, "first"], ["2", "late", "second"]]


def test_more_rows_than_a_sheet_of_excel_has_go_on_in_another(tmp_path: Path):
    many = sheet(["a"], [[str(number)] for number in range(2, 8)])
    path = made(tmp_path, [many], [("Sheet1", 4, "four"), ("Sheet1", 7, "seven")], sheet_rows=3)
    assert load_workbook(path).sheetnames == ["Sheet1", "Sheet1 (2)", "Sheet1 (3)"]
    assert cells(path, "Sheet1") == [["a", ERROR_COLUMN], ["2", None], ["3", None]]
    assert cells(path, "Sheet1 (2)") == [["a", ERROR_COLUMN], ["4", "four"], ["5", None], ["6", None]]
    assert cells(path, "Sheet1 (3)") == [["a", ERROR_COLUMN], ["7", "seven"]]


def test_an_error_whose_row_is_not_found_again_is_told_and_not_left_out(tmp_path: Path):
    with pytest.raises(PermanentError, match="row 9 of 직원 has an error but is not found"):
        write_error_workbook(tmp_path / "errors.xlsx", lambda: [STAFF], [("직원", 9, "no")])


def test_what_excel_cannot_hold_is_cut_with_a_word(tmp_path: Path):
    path = made(tmp_path, [sheet(["a"], [["x" * 40_000]])], [("Sheet1", 2, "no")])
    value = load_workbook(path)["Sheet1"]["A2"].value
    assert (len(value), value[-6:]) == (32_767, "…[cut]")


def test_corrected_and_uploaded_again_the_rows_are_what_they_were(tmp_path: Path):
    """The added column is no content: else every row of the next version would be new, and be paid for."""
    path = made(tmp_path, [STAFF], [("직원", 3, "no")])
    again = list(read_workbook(path, path.name))
    assert [row.vector_id for row in rows_of(again)] == [row.vector_id for row in rows_of([STAFF])]
    assert [row.row_number for row in rows_of(again)] == [2, 3, 4]
    assert ERROR_COLUMN not in cells(made(tmp_path, again, []), "직원")[0][:-1]


# what reads the workbook again trims cells and gives line breaks as Excel has them, so the edges are plain
inner = st.text(st.characters(exclude_characters="\r"), max_size=20).map(lambda text: f"<{text}>")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(st.tuples(inner, inner), min_size=1, max_size=6))
def test_any_text_comes_back_as_it_was(tmp_path: Path, table: list[tuple[str, str]]):
    from openpyxl.utils.escape import unescape

    path = made(tmp_path, [sheet(["a", "b"], [list(row) for row in table])], [("Sheet1", 2, "no")])
    found = [tuple(unescape(str(value)) for value in row[:2]) for row in cells(path, "Sheet1")[1:]]
    assert found == table
