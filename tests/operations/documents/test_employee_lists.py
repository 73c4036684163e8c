"""Employee lists: what is read, and the sentence for each way in which a list can be wrong."""

from pathlib import Path

import openpyxl
import pytest

from domain.documents.employees import Employee
from domain.errors import InvalidRequest, UnreadableFile
from operations.documents.employee_lists import read_employees

HEAD = "employeeNumber,name\n"


def employees(folder: Path, text: str, name: str = "staff.csv") -> list[Employee]:
    (folder / name).write_text(text, "utf-8")
    return read_employees(folder / name)


def test_numbers_keep_their_zeros_and_names_their_script(tmp_path: Path) -> None:
    assert employees(tmp_path, HEAD + "007,김민수\nE-8,Lee\n") == [
        Employee("007", "김민수"),
        Employee("E-8", "Lee"),
    ]


def test_a_namespace_column_is_taken_where_it_is_filled(tmp_path: Path) -> None:
    text = "namespace,employeeNumber,name\nboard,1,Kim\n ,2,Lee\n,3,Park\n"
    assert [each.namespace for each in employees(tmp_path, text)] == ["board", None, None]


def test_other_columns_are_nobodys_business(tmp_path: Path) -> None:
    assert employees(tmp_path, "salary,employeeNumber,name\n1,E1,Kim\n2,E2,Lee\n") == [
        Employee("E1", "Kim"),
        Employee("E2", "Lee"),
    ]


def test_a_workbook_is_as_good_as_a_csv(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (("employeeNumber", "name"), (17, "Kim"), ("E2", "Lee")):
        book.active.append(row)
    book.save(tmp_path / "staff.xlsx")
    assert read_employees(tmp_path / "staff.xlsx") == [Employee("17", "Kim"), Employee("E2", "Lee")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "number,person\n1,Kim\n2,Lee\n",
            "staff.csv has no column employeeNumber and no column name; it needs employeeNumber, name",
        ),
        ("employeeNumber,person\n1,Kim\n2,Lee\n", "staff.csv has no column name; it needs employeeNumber, name"),
        (
            "employeenumber,name\n1,Kim\n2,Lee\n",
            "staff.csv has no column employeeNumber; it needs employeeNumber, name",
        ),
        (HEAD + "1,Kim\n2,Lee\n,Park\n", "staff.csv, row 4: employeeNumber is empty"),
        (HEAD + "1,Kim\n2,Lee\n1,Park\n", "staff.csv, row 4: employee 1 is there twice"),
    ],
)
def test_a_bad_list_is_told_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    """Law 7: the file, the row a person sees, and what is wrong with it."""
    with pytest.raises(InvalidRequest) as told:
        employees(tmp_path, text)
    assert str(told.value) == sentence


@pytest.mark.parametrize(
    ("name", "text"), [("staff.csv", ""), ("staff.csv", HEAD), ("staff.xlsx", "PK\x03\x04 cut off")]
)
def test_a_file_that_is_no_table_is_unreadable(tmp_path: Path, name: str, text: str) -> None:
    """An empty list is never taken for `there are no employees` (law 8)."""
    with pytest.raises(UnreadableFile, match=rf"^{name}: "):
        employees(tmp_path, text, name)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.csv", tmp_path):
        with pytest.raises(InvalidRequest, match=r" is not a file$"):
            read_employees(path)
