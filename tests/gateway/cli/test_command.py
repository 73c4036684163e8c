"""The JSON and the exit codes of the command: a contract with scripts, tests and CI."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest

from tests.laws.command import Command
from tests.laws.deployment import csv_bytes, items
from tests.stand_ins.openai_server import OpenAIServer

BATCH = {"batchNumber", "totalBatches", "startRow", "endRow", "status", "processedRows", "vectorsCreated", "errors"}
RESULT = {
    "totalRows",
    "processedRows",
    "skippedRows",
    "errorRows",
    "vectorsCreated",
    "namespacesUpdated",
    "processingTimeMs",
    "errors",
    "unchangedRows",
    "duplicateRows",
    "vectorsDeleted",
    "embeddedInputs",
    "tokens",
}
STAFF = "name: staff\nemployeeIdentifier: 'no'\nragConfig:\n  embeddingTemplate: '{{task}}'\n"


def assert_status_shape(output: dict[str, Any]) -> None:
    assert set(output) >= {"documentId", "version", "status", "progress", "batches", "result", "error"}
    assert set(output["progress"]) == {"batchesDone", "batchesTotal", "rowsDone", "rowsTotal"}
    for batch in output["batches"]:
        assert set(batch) == BATCH
    if output["result"] is not None:
        assert set(output["result"]) >= RESULT
    if output["error"] is not None:
        assert set(output["error"]) == {"message"}


def test_upload_names_document_version_file_and_status(rowline_command: Command):
    files = [rowline_command.file(f"{name}.csv", csv_bytes(items(name))) for name in ("anvil", "bellows")]
    output = rowline_command.json("upload", *files, "--org", "acme")
    assert list(output) == ["documents"]
    assert [(d["version"], d["filename"], d["status"]) for d in output["documents"]] == [
        (1, "anvil.csv", "pending"),
        (1, "bellows.csv", "pending"),
    ]
    for document in output["documents"]:
        assert set(document) == {"documentId", "version", "filename", "status"}
        assert re.fullmatch(r"doc_[0-9a-f]{32}", document["documentId"])


def test_process_and_status_tell_progress_batches_and_result(rowline_command: Command):
    """The same shape before, after, and from both commands."""
    file = rowline_command.file("items.csv", csv_bytes(items(*"abcdef")))
    document = rowline_command.json("upload", file, "--org", "acme")["documents"][0]["documentId"]
    waiting = rowline_command.json("status", document)
    assert_status_shape(waiting)
    assert (waiting["status"], waiting["batches"], waiting["result"], waiting["error"]) == ("pending", [], None, None)

    output = rowline_command.json("process", document)
    assert_status_shape(output)
    assert (output["documentId"], output["version"], output["status"], output["error"]) == (
        document,
        1,
        "completed",
        None,
    )
    assert output["progress"] == {"batchesDone": 2, "batchesTotal": 2, "rowsDone": 6, "rowsTotal": 6}
    assert [(b["startRow"], b["endRow"], b["status"]) for b in output["batches"]] == [
        (2, 5, "completed"),
        (6, 7, "completed"),
    ]
    assert (
        output["result"]["totalRows"] == output["result"]["vectorsCreated"] == output["result"]["embeddedInputs"] == 6
    )
    assert output["result"]["tokens"] > 0
    assert rowline_command.json("status", document) == output
    assert rowline_command.json("process", document) == output


def test_a_new_version_of_a_document_embeds_what_is_new(rowline_command: Command):
    first = rowline_command.file("items.csv", csv_bytes(items("anvil", "bellows")))
    document = rowline_command.indexed(first)
    second = rowline_command.file("items2.csv", csv_bytes(items("anvil", "chisel")))
    output = rowline_command.json("upload", second, "--org", "acme", "--document", document)["documents"]
    assert [(d["documentId"], d["version"], d["filename"]) for d in output] == [(document, 2, "items2.csv")]
    result = rowline_command.json("process", document)["result"]
    assert (result["unchangedRows"], result["embeddedInputs"], result["vectorsDeleted"]) == (1, 1, 1)


def test_search_and_trace_name_the_rows(rowline_command: Command):
    """From a question to the vector, and from the vector back to file, version, row, batch, model and run."""
    document = rowline_command.indexed(rowline_command.file("items.csv", csv_bytes(items("anvil", "bellows"))))
    output = rowline_command.json("search", "item: bellows\ncolour: colour of bellows", "--org", "acme", "-k", "1")
    (hit,) = output["hits"]
    assert set(hit) == {"score", "text", "vectorId", "namespace", "sources"}
    assert (hit["score"], hit["namespace"]) == (pytest.approx(1, abs=1e-3), "org_acme")
    assert hit["text"] == "item: bellows\ncolour: colour of bellows"
    assert hit["sources"] == [
        {
            "documentId": document,
            "version": 1,
            "filename": "items.csv",
            "sheet": "csv",
            "rowNumber": 3,
            "employeeId": None,
        }
    ]

    traced = rowline_command.json("trace", hit["vectorId"])
    assert set(traced) >= {"vectorId", "namespace", "contentHash", "model", "dimension", "embeddedAt", "rows"}
    assert (traced["model"], traced["dimension"]) == ("openai/text-embedding-3-small/32", 32)
    (row,) = traced["rows"]
    assert (row["documentId"], row["version"], row["live"], row["rowNumber"], row["batchNumber"]) == (
        document,
        1,
        True,
        3,
        1,
    )
    assert (row["filename"], row["sheet"]) == ("items.csv", "csv")
    assert row["sourceRow"] == {"item": "bellows", "colour": "colour of bellows"}
    assert str(UUID(row["runId"])) == row["runId"]


def test_search_can_be_bound_to_an_employee_and_to_a_document(rowline_command: Command):
    staff = rowline_command.file("staff.csv", "employeeNumber,name\nE1,Kim\nE2,Lee\n")
    assert rowline_command.json("employees", "put", staff, "--org", "acme") == {"employees": 2}
    rowline_command.json("template", "put", rowline_command.file("staff.yaml", STAFF), "--org", "acme")
    table = rowline_command.file("week.csv", csv_bytes([["no", "task"], ["E1", "welding"], ["E2", "painting"]]))
    split = rowline_command.indexed(table, "--template", "staff", "--mode", "employee_split")
    rowline_command.indexed(rowline_command.file("items.csv", csv_bytes(items("anvil"))))

    hits = rowline_command.json("search", "painting", "--org", "acme", "--employee", "E1")["hits"]
    assert [(hit["text"], hit["sources"][0]["employeeId"]) for hit in hits] == [("welding", "E1")]
    hits = rowline_command.json("search", "painting", "--org", "acme", "--document", split)["hits"]
    assert [hit["text"] for hit in hits] == ["painting", "welding"]
    assert rowline_command.json("search", "painting", "--org", "rival") == {"hits": []}


def test_documents_templates_and_employees_are_listed(rowline_command: Command):
    document = rowline_command.indexed(rowline_command.file("items.csv", csv_bytes(items("anvil"))))
    (output,) = rowline_command.json("documents")["documents"]
    assert output == {
        "documentId": document,
        "version": 1,
        "filename": "items.csv",
        "status": "completed",
        "organizationId": "acme",
        "liveVersion": 1,
        "mode": "company_wide",
        "template": "default",
        "byteSize": 34,
        "uploadedAt": output["uploadedAt"],
    }
    assert rowline_command.json("documents", "--org", "rival") == {"documents": []}
    rowline_command.json("template", "put", rowline_command.file("staff.yaml", STAFF), "--org", "acme")
    (stored,) = rowline_command.json("template", "list", "--org", "acme")["templates"]
    assert (stored["name"], stored["employeeIdentifier"]) == ("staff", "no")
    staff = rowline_command.file("staff.csv", "employeeNumber,name,namespace\nE1,Kim,blue\nE2,Lee,\n")
    rowline_command.json("employees", "put", staff, "--org", "acme")
    assert rowline_command.json("employees", "list", "--org", "acme")["employees"] == [
        {"employeeNumber": "E1", "name": "Kim", "namespace": "blue"},
        {"employeeNumber": "E2", "name": "Lee", "namespace": "org_acme/employee_E2"},
    ]


def test_a_failed_document_ends_with_1_and_can_be_retried(rowline_command: Command):
    document = rowline_command.json("upload", rowline_command.file("empty.csv", "item,colour\n"), "--org", "acme")[
        "documents"
    ][0]["documentId"]
    output = rowline_command.json("process", document, code=1)
    assert_status_shape(output)
    assert (output["status"], output["result"]) == ("failed", None)
    assert "empty.csv" in output["error"]["message"]
    assert rowline_command.json("retry", document)["status"] == "pending"
    assert rowline_command.json("status", document)["error"] is None


def test_people_read_what_scripts_parse(rowline_command: Command):
    """Without --json the same facts in words, none of them on stderr."""
    document = rowline_command.indexed(rowline_command.file("items.csv", csv_bytes(items("anvil", "anvil"))))
    said = rowline_command("status", document)
    assert said.code == 0
    assert "items.csv (version 1): ✅ completed (완료)" in said.out
    assert "2 rows: 1 kept, 0 unchanged, 1 duplicate, 0 error" in said.out
    said = rowline_command("search", "anvil", "--org", "acme")
    assert "↳ items.csv, csv, row 2 (and 1 more rows)" in said.out


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["upload"], ["upload", "x.csv"], ["search", "q"], ["search", "q", "--org", "a", "-k", "0"]],
)
def test_misuse_ends_with_2(rowline_command: Command, arguments: list[str]):
    assert rowline_command(*arguments).code == 2


@pytest.mark.slow
def test_the_installed_command_writes_one_json_document_and_nothing_else(rowline_command: Command):
    """As a script sees it: a process of its own, with every import's and Dagster's chatter on stderr or nowhere."""
    file = rowline_command.file("items.csv", csv_bytes(items("anvil", "bellows")))
    environment = {**os.environ, **rowline_command.environment, "PYTHONUTF8": "1"}
    environment.pop("PYTHONWARNINGS", None)

    def rowline(*arguments: str) -> Any:
        command = [os.path.join(os.path.dirname(sys.executable), "rowline"), *arguments, "--json"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr
        assert ended.stdout.count("\n") == 1
        return json.loads(ended.stdout)

    document = rowline("upload", str(file), "--org", "acme")["documents"][0]["documentId"]
    assert rowline("process", document)["status"] == "completed"
    assert len(rowline("search", "anvil", "--org", "acme")["hits"]) == 2


@pytest.mark.slow
def test_a_wait_for_a_damaged_file_ends_with_one_sentence_that_names_it_once(rowline_command: Command):
    file = rowline_command.file("깨진.xlsx", b"PK\x03\x04 and no more")
    command = [os.path.join(os.path.dirname(sys.executable), "rowline"), "upload", str(file), "--org", "acme", "--wait"]
    environment = {**os.environ, **rowline_command.environment, "PYTHONUTF8": "1"}
    environment.pop("PYTHONWARNINGS", None)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, encoding="utf-8") as waiting:
        try:
            while not (listed := rowline_command.json("documents", "--org", "acme")["documents"]):
                assert waiting.poll() is None
            rowline_command("process", listed[0]["documentId"])
            _, said = waiting.communicate(timeout=60)
        finally:
            waiting.kill()
    assert waiting.returncode == 1
    last = said.splitlines()[-1]
    assert last == "✗ 깨진.xlsx: the file is damaged or was not sent completely; save the workbook again and send it"


def test_a_document_that_waits_for_the_batch_api_says_so_in_one_line_and_is_no_failure(
    rowline_command: Command, openai: OpenAIServer, caplog: pytest.LogCaptureFixture
):
    """`upload --economy`, then `process` before and after the service has done its work."""
    file = rowline_command.file("items.csv", csv_bytes(items("anvil", "bellows")))
    (uploaded,) = rowline_command.json("upload", file, "--org", "acme", "--economy")["documents"]
    document = uploaded["documentId"]
    said = rowline_command("process", document)
    assert (said.code, caplog.messages) == (0, [])
    waits = "waits for the embedding service to work on 2 texts at the lower price (1 batch job, up to 24 hours)"
    assert [line for line in said.out.splitlines() if "waits for" in line] == [f"  {waits}"]
    output = rowline_command.json("status", document)
    assert (output["status"], output["progress"]["waitsFor"], output["error"]) == ("processing", waits, None)
    assert (openai.stats.inputs, len(openai.batches.all)) == (0, 1)

    openai.batches.complete()
    output = rowline_command.json("process", document)
    assert (output["status"], "waitsFor" in output["progress"]) == ("completed", False)
    assert output["result"]["costUsd"] == pytest.approx(openai.batches.tokens * 0.02 / 1e6 / 2)
    assert openai.stats.inputs == 0


def test_economy_is_refused_where_nothing_is_paid(rowline_command: Command):
    file = rowline_command.file("items.csv", csv_bytes(items("anvil")))
    local = {"EMBEDDING_PROVIDER": "local", "EMBEDDING_DIMENSIONS": ""}
    said = rowline_command("upload", file, "--org", "acme", "--economy", **local)
    assert (said.code, said.sentence) == (
        2,
        "The model local/use-m3/512 has no batch jobs at a lower price; upload without --economy",
    )
    said = rowline_command("documents", EMBEDDING_ECONOMY="true", **local)
    assert said.code == 2
    assert "EMBEDDING_ECONOMY needs EMBEDDING_PROVIDER=openai" in said.sentence


def test_the_version_is_printed_and_is_the_packages(rowline_command: Command):
    from importlib.metadata import version

    shown = rowline_command("--version")
    assert (shown.code, shown.out, shown.err) == (0, f"rowline {version('rowline')}\n", "")
