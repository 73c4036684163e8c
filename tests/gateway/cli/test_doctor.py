"""`rowline doctor` over a whole deployment: its lines, its JSON, its exit codes, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from resources.database.grants import grant
from resources.objects.folder import MARKER_FILE
from tests.gateway.doctor.test_dagster import beat
from tests.laws.command import Command
from tests.stand_ins.notice_receivers import SlackServer
from tests.stand_ins.openai_server import OpenAIServer
from tests.stand_ins.pinecone_server import NAME as INDEX
from tests.stand_ins.pinecone_server import PineconeServer
from tests.stand_ins.s3_server import BUCKET, S3Server

STATES = {"ok", "warning", "failed", "skipped"}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The definitions are loaded by this process already; that a process of their own can is shown elsewhere."""
    monkeypatch.setattr("gateway.doctor.dagster.LOAD", "")


def rows_of(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        count = sql.SQL("SELECT count(*) FROM {}")
        return {name: connection.execute(count.format(sql.Identifier(name))).fetchone()[0] for (name,) in tables}


def test_a_deployment_is_checked_line_by_line(rowline_command: Command):
    output = rowline_command.json("doctor")
    assert set(output) == {"ok", "checks"}
    assert output["ok"] is True
    for check in output["checks"]:
        assert set(check) == {"name", "state", "message", "remedy"}
        assert check["state"] in STATES
        assert check["message"]
        assert (check["remedy"] is not None) is (check["state"] in ("warning", "failed"))
    names = [check["name"] for check in output["checks"]]
    assert len(names) == len(set(names))
    warned = {check["name"]: check["message"] for check in output["checks"] if check["state"] == "warning"}
    assert warned == {"daemon": "not running: uploads wait until it is"}


@pytest.mark.usefixtures("quick")
def test_a_person_reads_marks_and_remedies(rowline_command: Command):
    said = rowline_command("doctor")
    assert said.code == 0
    lines = said.out.splitlines()
    [daemon] = [number for number, line in enumerate(lines) if line.startswith("! daemon")]
    assert lines[daemon + 1].strip().startswith("→ Start it: `rowline dev`")
    assert any(line.startswith("✓ database ") for line in lines)
    assert any(line.startswith("– ") for line in lines)
    assert lines[-1].endswith("skipped")
    assert " fine · 1 to look at · " in lines[-1]


@pytest.mark.usefixtures("quick")
def test_a_failure_ends_with_one_and_misuse_with_two(rowline_command: Command):
    away = rowline_command("doctor", DATABASE_URL="postgresql://127.0.0.1:1/rowline")
    assert away.code == 1
    assert "✗ database " in away.out
    assert away.out.count("✗") == 1
    assert rowline_command("doctor", "--quickly").code == 2


@pytest.mark.usefixtures("quick")
def test_production_by_flag_or_by_environment_is_strict(rowline_command: Command):
    by_flag = rowline_command.json("doctor", "--production", code=1)
    failed = {check["name"] for check in by_flag["checks"] if check["state"] == "failed"}
    assert failed == {"environment", "development login", "daemon", "OPENAI_API_KEY"}  # the key is the stand-in's
    by_setting = replace(rowline_command, environment={**rowline_command.environment, "ENVIRONMENT": "production"})
    failed = {check["name"] for check in by_setting.json("doctor", code=1)["checks"] if check["state"] == "failed"}
    assert failed == {"daemon", "OPENAI_API_KEY"}


@pytest.mark.usefixtures("quick")
def test_all_wrong_settings_are_reported_and_the_rest_is_looked_at(rowline_command: Command):
    output = rowline_command.json(
        "doctor", code=1, BATCH_ROWS="abc", DAGSTER_PORT="99999", VECTOR_STORE="pinecone", OPENAI_API_KEY="<key>"
    )
    states = {check["name"]: check["state"] for check in output["checks"]}
    assert {name for name, state in states.items() if state == "failed"} == {
        "BATCH_ROWS",
        "DAGSTER_PORT",
        "OPENAI_API_KEY",
        "PINECONE_API_KEY",
        "PINECONE_INDEX",
        "settings",
    }
    assert states["database"] == states["object store"] == "ok"
    assert states["embedding service"] == states["vector store"] == states["daemon"] == "skipped"
    assert len(states) == len(output["checks"])


@pytest.mark.usefixtures("quick")
def test_a_file_of_settings_that_cannot_be_read_is_one_line(rowline_command: Command):
    """Korean Windows saves text as cp949."""
    rowline_command.file(".env", "# 설정\nBATCH_ROWS=7\n".encode("cp949"))
    output = rowline_command.json("doctor", code=1)
    failed = {check["name"]: check["message"] for check in output["checks"] if check["state"] == "failed"}
    assert set(failed) == {".env", "settings"}
    assert failed[".env"] == "the file is not UTF-8 text; save it as UTF-8"
    assert len({check["name"] for check in output["checks"]}) == len(output["checks"])


@pytest.mark.usefixtures("quick")
def test_the_doctor_changes_nothing(rowline_command: Command, openai: OpenAIServer):
    """Twice, so that the second one would see what the first one left."""
    url = rowline_command.environment["DATABASE_URL"]
    before = rows_of(url)
    first, second = rowline_command.json("doctor"), rowline_command.json("doctor")
    assert [check["state"] for check in first["checks"]] == [check["state"] for check in second["checks"]]
    assert rows_of(url) == before
    left = {path.name for path in rowline_command.folder.rglob("*") if path.is_file()}
    assert left == {MARKER_FILE}, "a folder of objects is marked as one, so that an unmounted disk is not taken for it"
    assert openai.stats.inputs == 2


@pytest.mark.usefixtures("quick")
def test_an_embedded_database_that_is_not_made_yet_is_not_made(rowline_command: Command):
    environment = {name: value for name, value in rowline_command.environment.items() if name != "DATABASE_URL"}
    output = replace(rowline_command, environment=environment).json("doctor")
    [database] = [check for check in output["checks"] if check["name"] == "database"]
    assert (database["state"], "is not made yet" in database["message"]) == ("skipped", True)
    assert not (rowline_command.folder / "home" / "postgres").exists()


PRODUCTION_KEYS = {"openai": "sk-proj-4Jx9QmVb7TzR2LkW8nYc", "pinecone": "pcsk_7fYw3_KdPqL9vXbN2mRtZ8cHs"}


@pytest.fixture
def production(rowline_command: Command, s3: S3Server) -> Iterator[Command]:
    """A deployment as it should be: a role that works and owns nothing, a bucket, an index, a daemon that was heard."""
    url = rowline_command.environment["DATABASE_URL"]
    with (
        OpenAIServer(key=PRODUCTION_KEYS["openai"]) as openai,
        PineconeServer(key=PRODUCTION_KEYS["pinecone"], dimension=32) as pinecone,
        SlackServer() as slack,
        psycopg.connect(url, autocommit=True) as owner,
    ):
        owner.execute("CREATE ROLE production_app LOGIN")
        grant(url, "production_app")
        environment = {
            "ENVIRONMENT": "production",
            "DATABASE_URL": urlsplit(url)._replace(netloc="production_app:@").geturl(),
            "OPENAI_API_KEY": PRODUCTION_KEYS["openai"],
            "OPENAI_BASE_URL": openai.base_url,
            "VECTOR_STORE": "pinecone",
            "PINECONE_API_KEY": PRODUCTION_KEYS["pinecone"],
            "PINECONE_INDEX": INDEX,
            "PINECONE_CONTROLLER_HOST": pinecone.address,
            "OBJECT_STORE": f"s3://{BUCKET}/rowline",
            "S3_ENDPOINT_URL": s3.endpoint_url,
            "SLACK_WEBHOOK_URL": slack.url,
            "ALERT_CHANNELS": "slack",
        }
        yield replace(rowline_command, environment={**rowline_command.environment, **environment})
        owner.execute("DROP OWNED BY production_app; DROP ROLE production_app")


@pytest.mark.usefixtures("quick")
def test_production_as_it_should_be_has_nothing_to_look_at(production: Command, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patched:
        patched.setenv("DATABASE_URL", production.environment["DATABASE_URL"])
        beat(datetime.now(UTC))
    output = production.json("doctor")
    assert {c["name"]: c["message"] for c in output["checks"] if c["state"] in ("warning", "failed")} == {}
    skipped = {check["name"] for check in output["checks"] if check["state"] == "skipped"}
    settings = {"rights of .env", "INNGEST_EVENT_KEY", "INNGEST_SIGNING_KEY", "INNGEST_SIGNING_KEY_FALLBACK"}
    services = {"database password", "direct database", "pgvector", "gateway names", "mail", "webhooks"}
    assert skipped == settings | services
