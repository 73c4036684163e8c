"""rollback, cleanup, sync-vectors: what they say, and what they leave in Dagster's history."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.laws.command import Command
from tests.laws.deployment import csv_bytes, items


def two_versions(command: Command) -> str:
    document = command.indexed(command.file("items.csv", csv_bytes(items("anvil", "bellows"))))
    command.indexed(command.file("items.csv", csv_bytes(items("anvil", "chisel"))), "--document", document)
    return document


def statement(command: Command, text: str) -> None:
    with psycopg.connect(command.environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(text)


def found(command: Command) -> set[str]:
    hits = command.json("search", "item", "--org", "acme", "-k", "9")["hits"]
    return {hit["text"].split("\n")[0].removeprefix("item: ") for hit in hits}


def test_a_rollback_and_what_it_cannot_do(rowline_command: Command):
    document = two_versions(rowline_command)
    shown = rowline_command.json("rollback", document, "--to", "1")
    assert shown.pop("liveAfterMs") >= 0
    assert shown == {
        "documentId": document,
        "version": 1,
        "rolledBackFrom": 2,
        "vectorsRestored": 1,
        "vectorsDeleted": 1,
        "embeddedInputs": 0,
    }
    assert found(rowline_command) == {"anvil", "bellows"}
    assert rowline_command.json("status", document)["version"] == 1
    for number, reason in (("1", "is live already"), ("7", "no completed version 7; completed and kept: 1, 2")):
        said = rowline_command("rollback", document, "--to", number)
        assert said.code == 2
        assert reason in said.sentence
    assert "nothing embedded" in rowline_command("rollback", document, "--to", "2").out


def test_a_cleanup_first_dry_then_for_good(rowline_command: Command):
    document = two_versions(rowline_command)
    dry = rowline_command.json("cleanup", document, "--dry-run")
    assert (dry["dryRun"], dry["vectorsDeleted"], dry["namespacesAffected"]) == (True, 2, ["org_acme"])
    assert found(rowline_command) == {"anvil", "chisel"}
    wet = rowline_command.json("cleanup", document)
    assert (wet["dryRun"], wet["vectorsDeleted"], wet["namespacesAffected"]) == (False, 2, ["org_acme"])
    assert found(rowline_command) == set()
    assert rowline_command.json("documents") == {"documents": []}
    said = rowline_command("cleanup", document)
    assert said.code == 2
    assert "There is no document" in said.sentence


def test_old_versions_go_by_a_rule(rowline_command: Command):
    document = two_versions(rowline_command)
    dry = rowline_command.json("cleanup-versions", "--keep", "1", "--dry-run")["documents"]
    assert [(one["documentId"], one["versions"]) for one in dry] == [(document, [1])]
    rowline_command.json("cleanup-versions", "--keep", "1")
    assert rowline_command.json("cleanup-versions", "--keep", "1") == {"documents": [], "remaining": 0}
    assert rowline_command("rollback", document, "--to", "1").code == 2


def test_sync_tells_and_repairs_what_drifted(rowline_command: Command):
    two_versions(rowline_command)
    agreed = {"missing": 0, "orphaned": 0, "stale": 0, "repaired": 0, "checked": 2}
    assert rowline_command.json("sync-vectors") == agreed
    statement(rowline_command, "DELETE FROM vectors WHERE vector_id = (SELECT min(vector_id::text)::uuid FROM vectors)")
    assert rowline_command.json("sync-vectors", code=1) == agreed | {"missing": 1}
    assert "--repair repairs it" in rowline_command("sync-vectors").err
    assert rowline_command.json("sync-vectors", "--repair") == agreed | {"missing": 1, "repaired": 1}
    assert rowline_command.json("sync-vectors") == agreed


SECRET = "weld secretly"
STAFF = b"name: staff\nemployeeIdentifier: 'no'\nragConfig:\n  embeddingTemplate: '{{task}}'\n"
ROWS = [["no", "task"], ["E1", SECRET], ["E2", "saw"]]


def left_of(command: Command, text: str) -> list[str]:
    """Every table of the database and every file of the home that still holds the text."""
    with psycopg.connect(command.environment["DATABASE_URL"]) as connection:
        names = [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        tables = [
            name
            for name in names
            if connection.execute(
                sql.SQL("SELECT 1 FROM {} t WHERE t::text LIKE %s LIMIT 1").format(sql.Identifier(name)), (f"%{text}%",)
            ).fetchone()
        ]
    files = [path for path in Path(command.environment["ROWLINE_HOME"]).rglob("*") if path.is_file()]
    return [*tables, *(path.name for path in files if text.encode() in path.read_bytes())]


@pytest.mark.parametrize("whose", [[], ["--employee", "E1"]], ids=["organization", "employee"])
def test_an_erasure_leaves_nothing_anywhere(rowline_command: Command, whose: list[str]):
    """Not in Dagster's history either, which shows previews of rows, nor where the inbox puts what it has taken."""
    command = rowline_command
    staff = command.file("staff.csv", csv_bytes([["employeeNumber", "name"], ["E1", "A"]]))
    command.json("employees", "put", staff, "--org", "acme")
    template = command.file("staff.yaml", STAFF)
    split = ["--template", str(template), "--mode", "employee_split"]
    document = command.indexed(command.file("tasks.csv", csv_bytes(ROWS)), *split)
    taken = Path(command.environment["ROWLINE_HOME"]) / "inbox" / "acme" / ".taken" / document / "1" / "tasks.csv"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(csv_bytes(ROWS))
    assert {"lineage", "event_logs", "asset_keys", "tasks.csv"} <= set(left_of(command, SECRET))
    assert command.json("erase", "--org", "acme", *whose, "--dry-run")["documents"] == [document]

    receipt = command.json("erase", "--org", "acme", *whose)
    assert (receipt["documents"], receipt["inboxFilesDeleted"], receipt["arrivedMeanwhile"]) == ([document], 1, [])
    assert left_of(command, SECRET) == []
    assert command.json("search", SECRET, "--org", "acme")["hits"] == []
    said = command("erase", "--org", "acme", *(whose or ["--employee", "E1"]))
    assert said.code == 2
    assert "has no employee E1" in said.sentence
