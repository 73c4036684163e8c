"""rollback, cleanup, sync-vectors: what they say, and what they leave in Dagster's history."""

from __future__ import annotations

import psycopg

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
    assert rowline_command.json("rollback", document, "--to", "1") == {
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
    assert rowline_command.json("cleanup-versions", "--keep", "1") == {"documents": []}
    assert rowline_command("rollback", document, "--to", "1").code == 2


def test_sync_tells_and_repairs_what_drifted(rowline_command: Command):
    two_versions(rowline_command)
    agreed = {"missing": 0, "orphaned": 0, "stale": 0, "repaired": 0, "checked": 2}
    assert rowline_command.json("sync-vectors") == agreed
    statement(rowline_command, "DELETE FROM vectors WHERE vector_id = (SELECT min(vector_id::text)::uuid FROM vectors)")
    assert rowline_command.json("sync-vectors", code=1) == agreed | {"missing": 1}
    assert "--repair puts it right" in rowline_command("sync-vectors").err
    assert rowline_command.json("sync-vectors", "--repair") == agreed | {"missing": 1, "repaired": 1}
    assert rowline_command.json("sync-vectors") == agreed


def test_an_erasure_gives_a_receipt_and_leaves_no_run_behind(rowline_command: Command):
    document = two_versions(rowline_command)
    assert rowline_command.json("erase", "--org", "acme", "--dry-run")["documents"] == [document]
    assert found(rowline_command) == {"anvil", "chisel"}
    receipt = rowline_command.json("erase", "--org", "acme")
    assert (receipt["documents"], receipt["vectorsDeleted"], receipt["embeddingsDeleted"]) == ([document], 2, 3)
    assert found(rowline_command) == set()
    with psycopg.connect(rowline_command.environment["DATABASE_URL"]) as connection:
        left = connection.execute("SELECT count(*) FROM event_logs WHERE event LIKE '%anvil%'").fetchone()
    assert left == (0,)
    said = rowline_command("erase", "--org", "acme", "--employee", "E1")
    assert said.code == 2
    assert "has no employee E1" in said.sentence
