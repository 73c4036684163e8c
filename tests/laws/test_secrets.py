"""Law 10: a secret is nowhere in ledger, event log, command output or files, whatever a service says back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from psycopg import sql

from tests.laws.command import Command
from tests.laws.deployment import csv_bytes, items
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai_server import OpenAIServer

KEY = "sk-test-SECRET0123456789abcdefSECRET"
PASSWORD = "hidden-word-of-the-database"


def everything_in(url: str) -> str:
    """Every row of every table of the database, Dagster's among them, as text."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
        text = []
        for schema, table in tables:
            rows = connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(schema, table)))
            text += [row[0] for row in rows]
    assert len(tables) > 20  # ours and Dagster's
    return "\n".join(text)


def every_file_under(folder: Path) -> str:
    return "\n".join(path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "fault",
    [
        Fault("wrong_key", message="Incorrect API key provided: {key}. Find yours at the site."),
        Fault("forbidden", message="The key {key} may not do this"),
        Fault("quota_full", message="No quota for Bearer {key}"),
        Fault("unavailable", headers={"retry-after-ms": "0"}, message="Overloaded, {key}"),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_key_that_the_service_repeats_in_its_error_is_nowhere(
    rowline_command: Command, openai: OpenAIServer, fault: Fault, monkeypatch: pytest.MonkeyPatch
):
    """Error bodies of real services hold the key; ours say what to do without it."""
    monkeypatch.setattr(dg.RetryPolicy, "calculate_delay", lambda *_: 0)
    openai.faults.extend([fault] * 40)
    # the server asks for no password, so any will do
    url = rowline_command.environment["DATABASE_URL"].replace("postgres:@", f"postgres:{PASSWORD}@")
    secrets = {"OPENAI_API_KEY": KEY, "DATABASE_URL": url}
    command = replace(rowline_command, environment={**rowline_command.environment, **secrets})
    document = command.json("upload", command.file("items.csv", csv_bytes(items("anvil"))), "--org", "acme")
    document = document["documents"][0]["documentId"]
    heard = [
        command("process", document, "--json"),
        command("process", document),
        command("status", document, "--json"),
        command("search", "anvil", "--org", "acme"),
        command("documents", "--json"),
    ]
    assert heard[0].code == 1
    assert heard[0].json["error"]["message"]
    assert openai.stats.requests > 0
    told = "\n".join(said.out + said.err for said in heard)
    stored = everything_in(command.environment["DATABASE_URL"])
    assert document in stored
    for place, text in {"output": told, "database": stored, "files": every_file_under(command.folder)}.items():
        assert "SECRET" not in text, place
        assert PASSWORD not in text, place


def test_settings_show_no_secret_when_they_are_printed():
    from operations.services import Services
    from settings.settings import Settings

    settings = Settings(openai_api_key=KEY, database_url=f"postgresql://user:{PASSWORD}@host/db")
    shown = f"{settings!r} {settings} {Services(settings)!r} {settings.model_dump_json()}"
    assert "SECRET" not in shown
    assert PASSWORD not in shown
