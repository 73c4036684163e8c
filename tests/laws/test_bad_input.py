"""Law 7: bad input gets one clear sentence that names it, the right exit code, and never a traceback."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from domain.errors import ErrorCode
from tests.laws.command import Command
from tests.laws.deployment import csv_bytes, items

WORKBOOKS = Path(__file__).parents[1] / "data" / "workbooks"
GOOD = csv_bytes(items("anvil", "bellows"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("empty.xlsx", r"empty\.xlsx: .*no rows|empty\.xlsx: .*no (row|table|header)"),
        ("password_agile.xlsx", r"password_agile\.xlsx.*password"),
        ("password.xls", r"password\.xls.*password"),
        ("empty_zip.xlsx", r"empty_zip\.xlsx"),
        ("entity_bomb.xlsx", r"entity_bomb\.xlsx"),
        ("fat_loop.xls", r"fat_loop\.xls"),
    ],
)
def test_a_file_that_cannot_become_rows_is_a_failed_document_with_a_sentence(
    rowline_command: Command, name: str, sentence: str
):
    """Upload takes it (law 6); processing says what is wrong with it, and status says so ever after."""
    document = rowline_command.json("upload", WORKBOOKS / name, "--org", "acme")["documents"][0]["documentId"]
    said = rowline_command("process", document, "--json")
    assert said.code == 1
    assert "Traceback" not in said.err
    assert said.json["status"] == "failed"
    message = said.json["error"]["message"]
    assert re.search(sentence, message), message
    assert "\n" not in message
    assert rowline_command.json("status", document)["error"] == {"message": message}
    assert rowline_command("process", document).code == 1


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("nothing.csv", b""),
        ("header only.csv", b"item,colour\n"),
        ("zeros.csv", b"\x00" * 1000),
        ("picture.xlsx", b"\x89PNG\r\n\x1a\n" + b"\x00" * 100),
        ("cut off.xlsx", b"PK\x03\x04" + b"\x14\x00" * 20),
    ],
)
def test_bytes_that_are_no_table_are_told_by_name(rowline_command: Command, name: str, body: bytes):
    document = rowline_command.json("upload", rowline_command.file(name, body), "--org", "acme")["documents"][0]
    said = rowline_command("process", document["documentId"], "--json")
    assert (said.code, said.json["status"]) == (1, "failed")
    assert name in said.json["error"]["message"]
    assert "Traceback" not in said.err


def test_control_characters_in_cells_are_no_trouble(rowline_command: Command):
    """PostgreSQL takes no NUL in text or JSON; a broken export may hold one."""
    body = b"item,note\nanvil,a\x00b\x01c\nbellows,plain\n"
    document = rowline_command.json("upload", rowline_command.file("odd.csv", body), "--org", "acme")["documents"][0]
    said = rowline_command("process", document["documentId"], "--json")
    assert said.json["status"] in {"completed", "failed"}
    assert "Traceback" not in said.err
    if said.json["status"] == "failed":
        assert "odd.csv" in said.json["error"]["message"]


def test_a_template_that_names_a_missing_column_says_which_and_what_there_is(rowline_command: Command):
    template = rowline_command.file("t.yaml", "name: t\nragConfig:\n  embeddingTemplate: '{{price}} {{item}}'\n")
    file = rowline_command.file("items.csv", GOOD)
    document = rowline_command.json("upload", file, "--org", "acme", "--template", template)["documents"][0]
    told = rowline_command.json("process", document["documentId"], code=1)
    assert told["error"]["message"] == (
        "Sheet csv has no column price, which template t needs; its columns are item, colour"
    )


def test_a_bad_file_beside_good_ones_does_not_hold_them_up(rowline_command: Command):
    bad, good = rowline_command.file("bad.xlsx", b"PK\x03\x04"), rowline_command.file("good.csv", GOOD)
    documents = rowline_command.json("upload", bad, good, "--org", "acme")["documents"]
    assert rowline_command.json("process", documents[0]["documentId"], code=1)["status"] == "failed"
    assert rowline_command.json("process", documents[1]["documentId"])["status"] == "completed"
    assert len(rowline_command.json("search", "anvil", "--org", "acme")["hits"]) == 2


BROKEN = {
    "t.yaml": "name: [1, 2\n",
    "list.yaml": "- a\n- b\n",
    "unknown.yaml": "name: t\ncolour: red\n",
    "row.yaml": "name: t\nheaderRow: 0\n",
    "no_column.csv": "number,name\nE1,Kim\n",
    "no_number.csv": "employeeNumber,name\n,Kim\nE2,Lee\n",
    "twice.csv": "employeeNumber,name\nE1,Kim\nE1,Lee\n",
    "slash.csv": "employeeNumber,name\na/b,Kim\n",
    "clash.csv": "employeeNumber,name,namespace\nE1,Kim,same\nE2,Lee,same\n",
    "items.csv": GOOD,
}


MISUSE = [
    ("upload missing.csv --org acme", "missing.csv cannot be read: No such file or directory"),
    ("upload . --org acme", ". cannot be read: Is a directory"),
    ("upload items.csv --org a/b", "Organization 'a/b' may hold letters, digits and _ . @ - only"),
    (
        "upload items.csv --org acme --mode both",
        "Mode both does not exist; choose company_wide or employee_split",
    ),
    ("upload items.csv --org acme --mode employee_split", "Mode employee_split needs a template"),
    ("upload items.csv --org acme --template nobody", "Organization acme has no template nobody"),
    ("upload items.csv --org acme --template t.yaml", "t.yaml is neither YAML nor JSON near line"),
    ("upload items.csv --org acme --document doc_1", "Organization acme has no document doc_1"),
    ("upload items.csv items.csv --org acme --document doc_1", "--document takes one file"),
    ("process doc_1", "There is no document doc_1"),
    ("status doc_1", "There is no document doc_1"),
    ("retry doc_1", "There is no document doc_1"),
    ("trace x", "x is not a vector id"),
    ("trace 00000000-0000-4000-8000-000000000001", "Nothing points at vector"),
    ("template put t.yaml --org acme", "t.yaml is neither YAML nor JSON near line"),
    ("template put list.yaml --org acme", "list.yaml must hold one template"),
    ("template put unknown.yaml --org acme", "unknown.yaml: colour: is not known here; leave it away"),
    ("template put row.yaml --org acme", "row.yaml: headerRow: is less than 1"),
    ("template put missing.yaml --org acme", "missing.yaml cannot be read"),
    ("employees put no_column.csv --org acme", "no_column.csv has no column employeeNumber"),
    ("employees put no_number.csv --org acme", "no_number.csv, row 2: employeeNumber is empty"),
    ("employees put twice.csv --org acme", "twice.csv, row 3: employee E1 is there twice"),
    ("employees put slash.csv --org acme", "Employee 'a/b' may hold letters, digits"),
    ("employees put clash.csv --org acme", "Namespace same of employee E2 is taken"),
    ("employees put missing.csv --org acme", "missing.csv is not a file"),
]


def test_misuse_is_one_sentence_on_stderr_and_exit_code_2(rowline_command: Command):
    """With --json stdout is one document, which names the error; without it stdout stays empty."""
    for name, body in BROKEN.items():
        rowline_command.file(name, body)
    for arguments, sentence in MISUSE:
        for form in ("", "--json"):
            said = rowline_command(*arguments.split(), *form.split())
            assert said.code == 2, arguments
            assert said.sentence.startswith(sentence), arguments
            if form:
                error = said.json["error"]
                assert said.json.keys() <= {"error", "errors", "documents"}, arguments
                assert (error["code"] in set(ErrorCode), error["message"]) == (True, said.sentence), arguments
            else:
                assert said.out == "", arguments


def test_the_question_must_say_something(rowline_command: Command):
    said = rowline_command("search", "  ", "--org", "acme")
    assert (said.code, said.sentence) == (2, "The question is empty; say what to look for")


def test_a_template_file_that_is_no_text_is_told(rowline_command: Command):
    """Also where `upload` reads it, not only where `template put` does."""
    rowline_command.file("items.csv", GOOD)
    rowline_command.file("t.yaml", "name: 직원\n".encode("cp949"))
    for arguments in ("template put t.yaml --org acme", "upload items.csv --org acme --template t.yaml"):
        said = rowline_command(*arguments.split())
        assert (said.code, said.sentence) == (2, "t.yaml is not UTF-8 text; save it as UTF-8")


def test_a_file_name_that_is_no_unicode_is_taken(rowline_command: Command):
    """Korean names out of a zip made on Windows are cp949 bytes."""
    name = "직원.csv".encode("cp949")
    (rowline_command.folder / os.fsdecode(name)).write_bytes(GOOD)
    said = rowline_command("upload", os.fsdecode(name), "--org", "acme", "--json")
    assert said.code == 0
    assert rowline_command.json("process", said.json["documents"][0]["documentId"])["status"] == "completed"


def test_a_retry_of_what_has_not_failed_is_misuse(rowline_command: Command):
    document = rowline_command.indexed(rowline_command.file("items.csv", GOOD))
    said = rowline_command("retry", document)
    assert (said.code, said.sentence) == (
        2,
        f"Document {document} is completed; only a failed one can be tried again",
    )


def test_a_document_of_another_organization_is_not_there(rowline_command: Command):
    """A new version of somebody else's document is refused in the words for a document that does not exist."""
    file = rowline_command.file("items.csv", GOOD)
    document = rowline_command.indexed(file)
    said = rowline_command("upload", file, "--org", "rival", "--document", document)
    assert (said.code, said.sentence) == (2, f"Organization rival has no document {document}")


@pytest.mark.parametrize(
    ("environment", "code", "sentence"),
    [
        ({"BATCH_ROWS": "many"}, 2, "Settings are wrong: BATCH_ROWS: is no whole number"),
        (
            {"DATABASE_URL": "mysql://user:hidden@host/db"},
            2,
            "Settings are wrong: DATABASE_URL: must start with postgresql://",
        ),
        ({"DATABASE_URL": "postgresql://user:hidden@127.0.0.1:1/db"}, 1, "Nobody listens at 127.0.0.1:1/db"),
        ({"OPENAI_API_KEY": "changeme"}, 2, "Settings are wrong: settings: EMBEDDING_PROVIDER=openai needs"),
        ({"OPENAI_BASE_URL": "ftp://host"}, 2, "OPENAI_BASE_URL must begin with http:// or https://"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not(
    rowline_command: Command, environment: dict[str, str], code: int, sentence: str
):
    said = rowline_command("search", "anvil", "--org", "acme", **environment)
    assert (said.code, said.out) == (code, "")
    assert said.sentence.startswith(sentence)
    assert "hidden" not in said.err


def test_a_run_that_failed_ends_with_1_also_where_the_version_had_been_completed_before(
    rowline_command: Command, monkeypatch: pytest.MonkeyPatch
):
    """Processing again repairs the store; where it could not, a script must not be told that it did."""
    from domain.errors import PermanentError
    from resources.vectors.pgvector import PgVectorStore

    document = rowline_command.indexed(rowline_command.file("items.csv", GOOD))

    def away(*_: object) -> None:
        raise PermanentError("The store is full")

    monkeypatch.setattr(PgVectorStore, "missing", away)
    assert rowline_command("process", document).code == 1
