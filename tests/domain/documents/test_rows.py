"""Rows of a document: owner, error, address, batch; every row of the file ends as one row here (law 3)."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.documents.identifiers import VectorIds, content_hash
from domain.documents.rows import MAX_WARNINGS, Owner, Reading, document_rows
from domain.documents.tables import ReadWarning, RowBatch, SheetHeader
from domain.documents.templates import TemplateMismatch, WorkbookTemplate
from tests.domain.documents.examples import COMPANY, MODEL, SPLIT, patiently, rows_of, sheet, template

BY_EMPLOYEE = template(employee_identifier="no")
STAFF = [["E1", "Kim"], ["E2", "Lee"], ["", "Park"], ["E9", "Choi"]]


def test_a_row_is_told_as_a_person_sees_it() -> None:
    [row] = rows_of([sheet(["성명", "부서"], [["김", "영업"]], name="직원", first=5)])
    assert (row.sheet, row.row_number, row.batch_number, row.position) == ("직원", 5, 1, 0)
    assert (row.employee_id, row.namespace, row.error) == (None, "org_acme", None)
    assert row.content == "성명: 김\n부서: 영업"
    assert json.loads(row.source_row) == {"성명": "김", "부서": "영업"}


def test_a_vector_is_addressed_by_text_owner_and_model() -> None:
    [row] = rows_of([sheet(["a"], [["x"]])])
    assert row.vector_id == VectorIds("acme", MODEL).of("org_acme", content_hash("a: x"))
    assert row.content_hash == row.text_hash == row.row_key == content_hash("a: x")


def test_source_rows_carry_the_names_of_the_template() -> None:
    [row] = rows_of([sheet(["성명"], [["김"]])], template(column_mapping={"성명": "name"}))
    assert json.loads(row.source_row) == {"name": "김"}
    assert row.content == "name: 김"


# -- owners -----------------------------------------------------------------------------------------------------


def test_company_wide_rows_belong_to_the_organization_even_if_they_name_employees() -> None:
    rows = rows_of([sheet(["no", "name"], STAFF)], BY_EMPLOYEE, COMPANY)
    assert {(row.employee_id, row.namespace, row.error) for row in rows} == {(None, "org_acme", None)}


def test_split_rows_go_to_the_employees_that_they_name() -> None:
    rows = rows_of([sheet(["no", "name"], STAFF)], BY_EMPLOYEE, SPLIT)
    assert [(row.employee_id, row.namespace) for row in rows[:2]] == [
        ("E1", "org_acme/employee_E1"),
        ("E2", "org_acme/employee_E2"),
    ]


def test_a_row_that_names_nobody_or_a_stranger_is_an_error_with_its_column() -> None:
    rows = rows_of([sheet(["no", "name"], STAFF)], BY_EMPLOYEE, SPLIT)
    assert [(row.row_number, row.error) for row in rows[2:]] == [
        (4, "column no names no employee in this row"),
        (5, "employee E9 (column no) is not in the employee list"),
    ]
    assert all(row.vector_id is None and row.namespace is None and row.employee_id is None for row in rows[2:])


def test_a_row_says_by_data_whom_it_is_for_and_what_is_wrong_with_it() -> None:
    """So that erasing an employee, also one who was never in the list, needs to read no sentence."""
    rows = rows_of([sheet(["no", "name"], STAFF)], BY_EMPLOYEE, SPLIT)
    assert [(row.employee_key, row.error_code) for row in rows] == [
        ("E1", None),
        ("E2", None),
        (None, "employee_missing"),
        ("E9", "employee_unknown"),
    ]
    shared = rows_of([sheet(["no", "name"], STAFF)], BY_EMPLOYEE, COMPANY)
    assert {(row.employee_key, row.error_code) for row in shared} == {(None, None)}


def test_the_identifier_may_be_named_by_its_header_or_by_its_field() -> None:
    part = sheet(["사원번호"], [["E1"]])
    for identifier in ("사원번호", "number"):
        chosen = template(column_mapping={"사원번호": "number"}, employee_identifier=identifier)
        assert [row.employee_id for row in rows_of([part], chosen, SPLIT)] == ["E1"]


def test_an_employees_own_namespace_is_taken_from_the_list() -> None:
    owner = Owner("acme", "employee_split", {"E1": "board"})
    [row] = rows_of([sheet(["no"], [["E1"]])], BY_EMPLOYEE, owner)
    assert row.namespace == "board"


def test_splitting_without_an_identifier_makes_every_row_an_error() -> None:
    """Never a guess: the rows of one employee in the namespace of all would be a leak (law 2)."""
    rows = rows_of([sheet(["no"], [["E1"], ["E2"]])], WorkbookTemplate(), SPLIT)
    assert [row.error for row in rows] == ["the template names no employeeIdentifier, which employee_split needs"] * 2
    assert [row.vector_id for row in rows] == [None, None]


@pytest.mark.parametrize("number", ["e1", " E1", "E1 ", "E01", "E1\n"])
def test_an_employee_number_is_compared_exactly(number: str) -> None:
    [row] = rows_of([sheet(["no"], [[number]])], BY_EMPLOYEE, SPLIT)
    assert row.error == f"employee {number} (column no) is not in the employee list"


def test_the_same_text_of_two_employees_is_two_vectors() -> None:
    chosen = template("{{name}}", employee_identifier="no")
    one, two = rows_of([sheet(["no", "name"], [["E1", "Kim"], ["E2", "Kim"]])], chosen, SPLIT)
    assert one.text_hash == two.text_hash
    assert one.vector_id != two.vector_id


# -- text and addresses -----------------------------------------------------------------------------------------


def test_a_row_without_text_for_the_template_is_an_error() -> None:
    """An empty text has no meaning to embed; the row is told, not dropped (law 3)."""
    rows = rows_of([sheet(["a", "b"], [["", "kept"], ["x", ""]])], template("Name: {{a}}"))
    assert [(row.error, row.vector_id is None) for row in rows] == [
        ("the embedding template finds no text in this row", True),
        (None, False),
    ]
    assert json.loads(rows[0].source_row) == {"a": "", "b": "kept"}


def test_the_owners_error_is_told_before_that_of_the_text() -> None:
    [row] = rows_of([sheet(["no", "a"], [["E9", ""]])], template("{{a}}", employee_identifier="no"), SPLIT)
    assert row.error == "employee E9 (column no) is not in the employee list"


def test_metadata_fields_change_the_address_and_not_the_text() -> None:
    """Two rows of one text whose metadata differs are two vectors, embedded once."""
    part = sheet(["a", "year"], [["x", "2023"], ["x", "2024"], ["x", "2024"]])
    rows = rows_of([part], template("{{a}}", metadata=("year",)))
    assert len({row.text_hash for row in rows}) == 1
    assert [row.vector_id == rows[1].vector_id for row in rows] == [False, True, True]
    assert [row.content_hash == rows[1].content_hash for row in rows] == [False, True, True]


def test_a_column_that_is_neither_text_nor_metadata_changes_nothing() -> None:
    part = sheet(["a", "seen"], [["x", "today"], ["x", "yesterday"]])
    one, two = rows_of([part], template("{{a}}"))
    assert one.vector_id == two.vector_id
    assert one.source_row != two.source_row


def test_key_columns_are_what_a_row_is_over_versions() -> None:
    chosen = template(key_columns=("id", "part"))
    one, changed, other = rows_of(
        [sheet(["id", "part", "v"], [["1", "a", "x"], ["1", "a", "y"], ["1a", "", "x"]])], chosen
    )
    assert one.row_key == changed.row_key
    assert one.vector_id != changed.vector_id
    assert other.row_key != one.row_key


def test_without_key_columns_a_row_is_its_content() -> None:
    one, same, other = rows_of([sheet(["a"], [["x"], ["x"], ["y"]])])
    assert one.row_key == same.row_key == one.content_hash
    assert other.row_key != one.row_key


def test_a_sheet_without_the_templates_columns_stops_the_file_and_says_which() -> None:
    with pytest.raises(TemplateMismatch, match="Sheet Second has no column a"):
        rows_of([sheet(["a"], [["x"]], name="First"), sheet(["b"], [["y"]], name="Second")], template("{{a}}"))


# -- batches ----------------------------------------------------------------------------------------------------

part_sizes = st.lists(st.tuples(st.sampled_from(["A", "B", "C"]), st.integers(0, 25)), max_size=8)


def file_of(sizes: list[tuple[str, int]]) -> list[RowBatch]:
    """Parts as the reader gives them: sheets one after the other, some of them in several parts."""
    parts, number = [], 2
    for name, size in sorted(sizes):
        parts.append(sheet(["a"], [[f"{number + i}"] for i in range(size)], name=name, first=number))
        number += size
    return parts


@patiently
@given(part_sizes, st.integers(1, 12))
def test_batches_are_full_but_for_the_last_of_a_sheet_and_never_span_two(
    sizes: list[tuple[str, int]], batch_rows: int
) -> None:
    """B1, B3: however the reader cut the file into parts."""
    rows = rows_of(file_of(sizes), batch_rows=batch_rows)
    batches: dict[int, list[str]] = {}
    for row in rows:
        batches.setdefault(row.batch_number, []).append(row.sheet)
    assert list(batches) == list(range(1, len(batches) + 1))
    assert all(len(set(sheets)) == 1 for sheets in batches.values())
    last_of_sheet = {sheets[0]: number for number, sheets in batches.items()}
    for number, sheets in batches.items():
        assert len(sheets) == batch_rows or (number == last_of_sheet[sheets[0]] and 0 < len(sheets) < batch_rows)


@patiently
@given(part_sizes, st.integers(1, 12))
def test_every_row_of_the_file_is_a_row_in_reading_order(sizes: list[tuple[str, int]], batch_rows: int) -> None:
    parts = file_of(sizes)
    rows = rows_of(parts, batch_rows=batch_rows)
    assert [(row.sheet, row.row_number) for row in rows] == [
        (part.header.sheet, number) for part in parts for number, _ in part.rows
    ]
    assert [row.position for row in rows] == list(range(len(rows)))


def test_a_header_that_widens_half_way_does_not_end_the_batch() -> None:
    """The reader adds a column at the right when a late row needs one: the sheet is still the same sheet (B3)."""
    reading = Reading()
    parts = [sheet(["a"], [["1"], ["2"]], first=2), sheet(["a", "column B"], [["3", "x"], ["4", ""]], first=4)]
    rows = [row for part in document_rows(parts, WorkbookTemplate(), COMPANY, MODEL, 3, reading) for row in part]
    assert [row.batch_number for row in rows] == [1, 1, 1, 2]
    assert json.loads(rows[2].source_row) == {"a": "3", "column B": "x"}


def test_a_header_that_widens_half_way_is_told_once_and_whole() -> None:
    """A person who reads the metadata sees each sheet once, with all its columns."""
    reading = Reading()
    parts = [sheet(["a"], [["1"]]), sheet(["a", "column B"], [["2", "x"]], first=3)]
    list(document_rows(parts, WorkbookTemplate(), COMPANY, MODEL, 100, reading))
    assert [(header.sheet, header.columns) for header in reading.headers] == [("Sheet1", ("a", "column B"))]


# -- notices, and streaming -------------------------------------------------------------------------------------


def test_notices_and_headers_are_kept_for_the_person() -> None:
    reading = Reading()
    notice = ReadWarning("A", 3, "a formula has no saved result")
    parts = [sheet(["a"], [["1"]], name="A"), notice, sheet(["b"], [["2"]], name="B")]
    list(document_rows(parts, WorkbookTemplate(), COMPANY, MODEL, 100, reading))
    assert reading.warnings == [notice]
    assert reading.headers == [SheetHeader("A", ("a",), (1,)), SheetHeader("B", ("b",), (1,))]


def test_too_many_notices_are_counted() -> None:
    """A file with a notice a row must not fill the metadata (law 9)."""
    reading = Reading()
    for number in range(MAX_WARNINGS + 7):
        reading.note(ReadWarning(None, number, "x"))
    assert (len(reading.warnings), reading.warnings_left_out) == (MAX_WARNINGS, 7)


def test_rows_are_given_part_by_part() -> None:
    """The next part is asked for when the one before has been used (law 9)."""
    asked = []

    def parts() -> Iterator[RowBatch]:
        for number in range(3):
            asked.append(number)
            yield sheet(["a"], [[str(number)]], first=number + 2)

    given_out = document_rows(parts(), WorkbookTemplate(), COMPANY, MODEL, 100, Reading())
    next(given_out)
    assert asked == [0]
    next(given_out)
    assert asked == [0, 1]
