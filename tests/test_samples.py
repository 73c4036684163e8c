"""The samples: made the same every time, described, and giving the rows that their README promises."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from domain.documents.rows import Mode, Owner, Reading, Row, document_rows
from domain.documents.tables import ReadWarning, RowBatch
from domain.documents.templates import WorkbookTemplate, parse_template
from formats.reading import read_workbook
from operations.documents.employee_lists import read_employees
from samples import demo, make

SAMPLES = Path(make.__file__).parent
DATA = sorted(p for p in SAMPLES.rglob("*") if p.suffix in {".xlsx", ".xls", ".ods", ".csv", ".yaml"})
MADE = [p.relative_to(SAMPLES).as_posix() for p in DATA if p.suffix in {".xlsx", ".csv"} and "title_and" not in p.name]


def cells(path: Path) -> dict[str, list[list[object]]]:
    book = openpyxl.load_workbook(path)
    return {sheet.title: [[(c.value, c.number_format) for c in row] for row in sheet.rows] for sheet in book}


def template(name: str) -> WorkbookTemplate:
    return parse_template((SAMPLES / "templates" / f"{name}.yaml").read_text("utf-8"), name)


def rows_of(filename: str, chosen: WorkbookTemplate, mode: Mode) -> list[Row]:
    employees = {e.employee_number: e.employee_number for e in read_employees(SAMPLES / "employees.csv")}
    parts = read_workbook(SAMPLES / filename, filename)
    found = document_rows(parts, chosen, Owner("demo", mode, employees), "model", 100, Reading())
    return [row for rows in found for row in rows]


def test_committed_files_are_what_make_writes(tmp_path: Path) -> None:
    """Cell by cell: the compressed bytes depend on the versions of xlsxwriter and zlib."""
    made = make.make(tmp_path)
    assert sorted(path.name for path in made) == sorted(MADE)
    for path in made:
        if path.suffix == ".csv":
            assert path.read_bytes() == (SAMPLES / path.name).read_bytes()
        else:
            assert cells(path) == cells(SAMPLES / path.name), f"run `python -m samples.make`: {path.name} is old"


def test_making_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """Else the demo would see a new version after each `python -m samples.make`."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    first, second = ([path.read_bytes() for path in make.make(folder)] for folder in folders)
    assert first == second


def test_every_sample_has_one_line_in_the_readme() -> None:
    lines = (SAMPLES / "README.md").read_text("utf-8").splitlines()
    listed = [line.split("|")[1].strip() for line in lines if line.startswith("| ") and not line.startswith("| file")]
    assert sorted(listed) == sorted(path.relative_to(SAMPLES).as_posix() for path in DATA)


def test_every_file_of_another_project_has_its_notice() -> None:
    notices = (SAMPLES / "LICENSES.md").read_text("utf-8")
    foreign = [path.name for path in DATA if path.suffix != ".yaml" and path.name not in MADE]
    assert len(foreign) == 3
    assert [name for name in foreign if f"## {name} – " not in notices] == []


def test_samples_stay_small() -> None:
    assert sum(path.stat().st_size for path in DATA) <= 300_000


@pytest.mark.parametrize("path", [p for p in DATA if p.suffix == ".yaml"], ids=lambda path: path.stem)
def test_templates_parse_under_the_name_of_their_file(path: Path) -> None:
    assert parse_template(path.read_text("utf-8"), path.name).name == path.stem


def test_the_demo_uploads_every_workbook() -> None:
    workbooks = [path.name for path in DATA if path.suffix in {".xlsx", ".xls", ".ods"}]
    assert sorted(sample.filename for sample in demo.SAMPLES) == workbooks


def test_premiums_hold_the_errors_and_duplicates_that_the_readme_tells() -> None:
    rows = rows_of("premiums_ko.xlsx", template("premiums"), "employee_split")
    assert len(rows) == 60
    assert rows[0].row_number == 4
    assert {row.row_number: row.error for row in rows if row.error} == {
        21: "employee E1098 (column employeeNumber) is not in the employee list",
        39: "employee E1O04 (column employeeNumber) is not in the employee list",
        61: "employee E1099 (column employeeNumber) is not in the employee list",
    }
    first: dict[object, int] = {}
    repeats = {
        row.row_number: number
        for row in rows
        if (number := first.setdefault(row.vector_id or row, row.row_number)) != row.row_number
    }
    assert repeats == {62: 8, 63: 26}


def test_both_languages_of_the_coverages_become_the_same_fields() -> None:
    parts = list(read_workbook(SAMPLES / "policies_ko_en.xlsx", "policies_ko_en.xlsx"))
    assert [(part.header.sheet, len(part.rows)) for part in parts if isinstance(part, RowBatch)] == [
        ("국문", 14),
        ("English", 14),
    ]
    rows = {row.content: row for row in rows_of("policies_ko_en.xlsx", template("coverages"), "company_wide")}
    assert len(rows) == 28
    assert rows["Stolen bicycle: We pay for your bicycle when it was locked and stolen"].row_number == 9
    assert rows["지진 손해: 지진으로 건물이 무너지거나 금이 간 손해를 보상합니다"].row_number == 13


@pytest.mark.parametrize(
    ("filename", "rows", "notices"),
    [("claims_en.xlsx", 60, 0), ("title_and_notes.xlsx", 20, 10), ("products_sk.xls", 97, 1), ("film_list.ods", 4, 1)],
)
def test_files_read_without_a_template_give_their_rows(filename: str, rows: int, notices: int) -> None:
    parts = list(read_workbook(SAMPLES / filename, filename))
    assert sum(len(part.rows) for part in parts if isinstance(part, RowBatch)) == rows
    assert sum(isinstance(part, ReadWarning) for part in parts) == notices
