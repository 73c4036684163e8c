"""rowline errors: the sheet back with what is wrong, corrected there, uploaded again."""

from __future__ import annotations

from pathlib import Path

from openpyxl import load_workbook

from domain.documents.tables import ERROR_COLUMN
from tests.laws.command import Command
from tests.laws.deployment import csv_bytes

STAFF = [["number", "task"], ["E1", "welding"], ["E9", "digging"], ["E1", "painting"]]
TEMPLATE = "name: staff\nemployeeIdentifier: number\n"
SPLIT = ("--template", "staff", "--mode", "employee_split")


def staffed(command: Command) -> str:
    """A document of which one row names nobody."""
    command.json("employees", "put", command.file("e.csv", "employeeNumber,name\nE1,Kim\n"), "--org", "acme")
    command.json("template", "put", command.file("staff.yaml", TEMPLATE), "--org", "acme")
    return command.indexed(command.file("staff.csv", csv_bytes(STAFF)), *SPLIT)


def test_the_workbook_is_written_beside_corrected_and_uploaded_again(rowline_command: Command):
    document = staffed(rowline_command)
    shown = rowline_command("status", document).out
    assert "completed (완료) with 1 error row\n" in shown
    assert f"rowline errors {document}" in shown
    assert "✅ completed with 1 error row  version 1" in rowline_command("documents").out
    assert [one["errorRows"] for one in rowline_command.json("documents")["documents"]] == [1]
    said = rowline_command("errors", document)
    assert (said.code, said.out.splitlines()[1]) == (
        0,
        f"  rowline upload 'staff errors.xlsx' --org acme --document {document} --template staff --mode employee_split",
    )
    path = rowline_command.folder / "staff errors.xlsx"
    book = load_workbook(path)
    assert [[cell.value for cell in row] for row in book["csv"].iter_rows()] == [
        [*STAFF[0], ERROR_COLUMN],
        [*STAFF[1], None],
        [*STAFF[2], "employee E9 (column number) is not in the employee list"],
        [*STAFF[3], None],
    ]
    book["csv"]["A3"] = "E1"
    book.save(path)
    rowline_command.indexed(path, "--document", document, *SPLIT)
    shown = rowline_command.json("status", document)["result"]
    assert (shown["unchangedRows"], shown["embeddedInputs"], shown["errorRows"]) == (2, 1, 0)


def test_a_file_that_is_there_is_not_written_over_unless_forced(rowline_command: Command):
    document = staffed(rowline_command)
    target = rowline_command.file("mine.xlsx", "dear notes")
    said = rowline_command("errors", document, "--out", target)
    assert said.code == 2
    assert "exists already; --force" in said.sentence
    assert target.read_text() == "dear notes"
    shown = rowline_command.json("errors", document, "--out", target, "--force")
    assert shown == {"documentId": document, "version": 1, "errorRows": 1, "file": str(target)}
    assert load_workbook(target).sheetnames == ["csv"]
    missing = rowline_command("errors", document, "--out", Path("nowhere") / "mine.xlsx")
    assert (missing.code, "cannot be written" in missing.sentence) == (2, True)


def test_a_document_without_error_rows_has_no_workbook(rowline_command: Command):
    document = rowline_command.indexed(rowline_command.file("a.csv", "item,price\nanvil,1\n"))
    said = rowline_command("errors", document)
    assert (said.code, said.out) == (0, "No row of a.csv (version 1) has an error; nothing to write\n")
    assert rowline_command.json("errors", document)["file"] is None
    assert list(rowline_command.folder.glob("*.xlsx")) == []


def test_each_version_has_its_own_errors_and_one_without_rows_says_why(rowline_command: Command):
    document = staffed(rowline_command)
    fixed = rowline_command.file("staff.csv", csv_bytes([*STAFF[:2], STAFF[3]]))
    rowline_command.indexed(fixed, "--document", document, *SPLIT)
    assert rowline_command.json("errors", document)["errorRows"] == 0
    assert rowline_command.json("errors", document, "--version", "1", "--out", "one.xlsx")["errorRows"] == 1
    rowline_command(
        "upload", rowline_command.file("b.csv", "item,price\nx,1\n"), "--org", "acme", "--document", document
    )
    said = rowline_command("errors", document)
    assert (said.code, f"Version 3 of {document} has no rows yet: it is pending" in said.sentence) == (2, True)
