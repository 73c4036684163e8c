"""Law 6: an event that was acknowledged has its effect, once, whatever is killed right after the acknowledgement."""

from __future__ import annotations

import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from domain.access.api_keys import mint_key
from domain.notifications.messages import NewNotification
from operations.events.intake import ingest_events
from operations.services import Services
from resources.database.embedded import EmbeddedServer
from resources.database.schema import upgrade
from settings.settings import PROJECT_ROOT, Settings
from tests.laws import deployment as laws

EVENTS = 500
ROUNDS, ROUNDS_LONG = 3, 20
PATIENCE = 60.0

# Each document has failed. An effect tries it again, which counts the attempt; here it fails again at once, so that a
# second effect of the same event would count a second one.
DOCUMENTS = """
CREATE FUNCTION fail_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.status := 'failed'; NEW.error := 'again'; RETURN NEW; END $$;
CREATE TRIGGER fail_again BEFORE UPDATE OF attempt ON versions FOR EACH ROW EXECUTE FUNCTION fail_again();
INSERT INTO documents (document_id, organization_id, latest_version)
SELECT 'd' || n, 'acme', 1 FROM generate_series(1, %(documents)s) n;
INSERT INTO versions (document_id, version, filename, object_key, byte_size, sha256, mode, template, model, dimension,
                      status)
SELECT 'd' || n, 1, 'f', 'k', 1, '', 'company_wide', '{}', 'm', 1, 'failed' FROM generate_series(1, %(documents)s) n;
"""
ATTEMPTS = """
SELECT attempt, count(*) FROM versions WHERE substr(document_id, 2)::int BETWEEN %(first)s AND %(last)s GROUP BY 1
"""
KEPT = "SELECT count(*) FROM events WHERE event_id = ANY(%(ids)s)"
RUNS = "SELECT count(*), count(DISTINCT event_id) FROM function_runs WHERE event_id = ANY(%(ids)s)"


@dataclass
class Deployment:
    """The database, the gateway and the work of the sensor, each a process of its own."""

    home: Path
    key: str = ""
    port: int = 0
    server: EmbeddedServer = field(init=False)
    gateway: subprocess.Popen[bytes] | None = None
    sensor: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.server = EmbeddedServer(self.home / "pg")

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": self.server.url(),
            "ROWLINE_HOME": str(self.home),
            "GATEWAY_PORT": str(self.port),
            "PYTHONPATH": str(PROJECT_ROOT),
        }

    def sql(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            cursor = psycopg.ClientCursor(connection).execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def start_gateway(self) -> None:
        command = "from gateway.cli.main import main; main()"
        self.gateway = subprocess.Popen([sys.executable, "-c", command, "gateway"], env=self.environment)

    def start_sensor(self, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.laws.events_driver", *arguments],
            env=self.environment,
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    def send(self, first: int, seed: str) -> list[str]:
        """500 events in one request, tried again until it is answered, as the SDKs do, but for longer."""
        events = [
            {"name": "document/process", "data": {"documentId": f"d{n}"}, "id": f"e{n}"}
            for n in range(first, first + EVENTS)
        ]
        deadline = time.monotonic() + PATIENCE
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            with suppress(ConnectionError, http.client.HTTPException):
                headers = {"x-inngest-event-id-seed": seed}
                connection.request("POST", f"/e/{self.key}", json.dumps(events).encode(), headers)
                answer = connection.getresponse()
                told = json.loads(answer.read())
                if answer.status == 200:
                    connection.close()
                    return list(told["ids"])
            connection.close()
            assert time.monotonic() < deadline
            breath()

    def finish(self) -> None:
        """Let a new process do what is left."""
        process = self.start_sensor("--once")
        assert process.stdout is not None
        with process.stdout:
            assert process.wait(PATIENCE) == 0

    def attempts(self, first: int) -> dict[int, int]:
        """Attempts → how many of the 500 documents from this one on have as many."""
        return dict(self.sql(ATTEMPTS, first=first, last=first + EVENTS - 1))

    def kill_all(self) -> None:
        """kill -9 of every process at once; the database and its children too."""
        roots = [process.pid for process in (self.gateway, self.sensor) if process]
        with suppress(FileNotFoundError):
            roots.append(int((self.home / "pg" / "postmaster.pid").read_text("utf-8").split()[0]))
        doomed = [psutil.Process(pid) for pid in roots if psutil.pid_exists(pid)]
        doomed += [child for process in list(doomed) for child in process.children(recursive=True)]
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        for started in (self.gateway, self.sensor):
            if started:
                started.wait()
                if started.stdout:
                    started.stdout.close()
        deadline = time.monotonic() + PATIENCE
        while any(map(lives, doomed)):
            assert time.monotonic() < deadline
            breath()
        self.gateway = self.sensor = None


def lives(process: psutil.Process) -> bool:
    """Whether it is there, and not only waits for somebody to ask how it ended."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def breath() -> None:
    """Between two looks."""
    select.select([], [], [], 0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def deployment(clean_environment: Path) -> Iterator[Callable[[int], Deployment]]:
    """A deployment with so many documents that have failed. Its database writes to disk before it answers."""
    made: list[Deployment] = []

    def make(documents: int) -> Deployment:
        one = Deployment(Path(tempfile.mkdtemp(dir="/tmp", prefix="re")), port=free_port())
        made.append(one)
        upgrade(one.server.url())
        services = Services(Settings(database_url=one.server.url(), rowline_home=one.home))  # type: ignore[arg-type]
        new = mint_key("development")
        services.ledger.api_keys.put(new, "acme", "an app", frozenset({"events"}))
        services.close()
        one.key = new.text
        one.sql(DOCUMENTS, documents=documents)
        return one

    yield make
    for one in made:
        one.kill_all()
        shutil.rmtree(one.home, ignore_errors=True)


# A commit that does not wait for the disk is soon enough on it for any process that is killed: only this shows it.
HOW_COMMITTED = """
CREATE TABLE committed (of text, waits_for_disk text);
CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO committed VALUES (TG_TABLE_NAME, current_setting('synchronous_commit')); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER told AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
   FOR EACH ROW EXECUTE FUNCTION told();
CREATE CONSTRAINT TRIGGER told AFTER INSERT ON versions DEFERRABLE INITIALLY DEFERRED
   FOR EACH ROW EXECUTE FUNCTION told();
CREATE CONSTRAINT TRIGGER told AFTER INSERT ON notifications DEFERRABLE INITIALLY DEFERRED
   FOR EACH ROW EXECUTE FUNCTION told();
"""


def test_what_is_acknowledged_is_on_disk_by_then(rowline: laws.Deployment):
    rowline.sql(HOW_COMMITTED)
    ingest_events(rowline.services.ledger, "acme", b'{"name": "app/x"}')
    rowline.upload(laws.items("anvil"))
    rowline.services.ledger.outbox.enqueue(NewNotification("acme", "k", "slack", None, "", "hello"))
    told = rowline.sql("SELECT * FROM committed")
    assert told == [{"of": table, "waits_for_disk": "on"} for table in ("events", "versions", "notifications")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "rounds", [ROUNDS, pytest.param(ROUNDS_LONG, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
def test_whatever_is_killed_after_the_answer_each_event_has_its_effect_once(
    deployment: Callable[[int], Deployment], rounds: int, tell: Callable[[str, str], None]
):
    """The engine that the teams use today lost 494 of 500 in the same test."""
    running = deployment(rounds * EVENTS)
    running.start_gateway()
    done_before = []
    for number in range(rounds):
        first, seed = 1 + number * EVENTS, f"{1_743_130_137_367 + number},eii2YKXRVTJPuA=="
        running.sensor = running.start_sensor()
        ids = running.send(first, seed)
        running.kill_all()
        running.server.start()
        assert running.sql(KEPT, ids=ids) == [(EVENTS,)], "before anybody sends them again"
        done_before.append(running.attempts(first).get(2, 0))
        running.start_gateway()
        assert running.send(first, seed) == ids  # as an app does whose answer was lost
        running.finish()
        assert running.attempts(first) == {2: EVENTS}
        assert running.sql(RUNS, ids=ids) == [(EVENTS, EVENTS)]
    assert running.sql("SELECT count(*) FROM events") == [(rounds * EVENTS,)]
    tell("Events acknowledged, then everything killed", f"{rounds} × {EVENTS} events, effects before: {done_before}")
