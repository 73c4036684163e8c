"""Employee lists: a table with the columns employeeNumber, name and, optionally, namespace."""

from __future__ import annotations

from pathlib import Path

from domain.documents.employees import Employee
from domain.documents.tables import ReadWarning
from domain.errors import InvalidRequest
from formats.reading import read_workbook

COLUMNS = ("employeeNumber", "name")


def read_employees(file: Path) -> list[Employee]:
    """Employees of a csv or workbook.

    Raises UnreadableFile if it is no table, InvalidRequest if a column or a number is missing or a number is there
    twice.
    """
    if not file.is_file():
        raise InvalidRequest(f"{file} is not a file")
    employees: dict[str, Employee] = {}
    for part in read_workbook(file, file.name):
        if isinstance(part, ReadWarning):
            continue
        missing = [column for column in COLUMNS if column not in part.header.columns]
        if missing:
            raise InvalidRequest(
                f"{file.name} has no column {' and no column '.join(missing)}; it needs {', '.join(COLUMNS)}"
            )
        for row_number, cells in part.rows:
            row = dict(zip(part.header.columns, cells, strict=True))
            number = row["employeeNumber"]
            if not number:
                raise InvalidRequest(f"{file.name}, row {row_number}: employeeNumber is empty")
            if number in employees:
                raise InvalidRequest(f"{file.name}, row {row_number}: employee {number} is there twice")
            employees[number] = Employee(number, row["name"], row.get("namespace") or None)
    return list(employees.values())
