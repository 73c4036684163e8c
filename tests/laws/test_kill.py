"""Laws 1, 2, 5 and 6 under kill -9: wherever a command dies, the next one ends where an undisturbed one ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.conftest import drop_database
from tests.laws.deployment import csv_bytes
from tests.stand_ins.openai_server import KEY, OpenAIServer

KILLED = -9
BATCHES_IN_FLIGHT, REQUEST_INPUTS = 2, 8
STAFF = "name: staff\nemployeeIdentifier: 'no'\nragConfig:\n  metadataFields: [task]\n"
EMPLOYEES = ("E1", "E2", "E3")


def week(first: int, last: int) -> list[list[str]]:
    """Rows of three employees and of one that nobody knows; every seventh row is there twice."""
    rows = [[("E1", "E2", "E3", "E9")[n % 4], f"task number {n}", str(n % 8)] for n in range(first, last)]
    return [["no", "task", "hours"], *rows, *rows[::7]]


STATE = {
    "documents": "SELECT document_id, live_version, latest_version FROM documents ORDER BY 1",
    "versions": "SELECT document_id, version, status, error, plan_key, base_version, collected_at IS NULL AS unswept, "
    "result - '{processingTimeMs}'::text[] AS result FROM versions ORDER BY 1, 2",
    "batches": "SELECT document_id, version, batch_number, total_batches, start_row, end_row, rows, planned_inputs, "
    "status, processed_rows, vectors_created, embedded_inputs, errors FROM batches ORDER BY 1, 2, 3",
    # requests are cut anew after a crash, and with them the shares of a request's tokens: the sum is the same
    "tokens": "SELECT document_id, version, sum(tokens) AS tokens FROM batches GROUP BY 1, 2 ORDER BY 1, 2",
    "lineage": "SELECT document_id, version, row_position, sheet, row_number, batch_number, employee_id, namespace, "
    "outcome, error, needs_embedding, vector_id, content_hash, content FROM lineage ORDER BY 1, 2, 3",
    "namespaces": "SELECT * FROM document_namespaces ORDER BY 1, 2, 3",
    "embeddings": "SELECT organization_id, model, text_hash, md5(embedding::text) AS numbers FROM embeddings "
    "ORDER BY 1, 2, 3",
    "vectors": "SELECT model, namespace, vector_id, md5(embedding::text) AS numbers, metadata->>'task' AS task "
    "FROM vectors ORDER BY 1, 2, 3",
}
PROMISED = """
SELECT count(*) AS promised, count(s.vector_id) AS held
  FROM (SELECT DISTINCT v.model, l.namespace, l.vector_id FROM lineage l JOIN versions v USING (document_id, version)
          JOIN documents d ON d.document_id = l.document_id AND d.live_version = l.version
         WHERE l.vector_id IS NOT NULL) p
  LEFT JOIN vectors s USING (model, namespace, vector_id)
"""


def ask(url: str, statement: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(statement).fetchall()


def state(url: str) -> dict[str, list[dict[str, Any]]]:
    return {name: ask(url, statement) for name, statement in STATE.items()}


def differences(expected: dict[str, list[dict[str, Any]]], found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Each record that is not as it should be, in a line."""
    told = []
    for name, rows in expected.items():
        for number in range(max(len(rows), len(found[name]))):
            want = rows[number] if number < len(rows) else {}
            have = found[name][number] if number < len(found[name]) else {}
            for column in {*want, *have}:
                if want.get(column) != have.get(column):
                    told.append(f"{name} {number}: {column} is {have.get(column)}, not {want.get(column)}")
    return told


@dataclass
class Driver:
    """The forking process (`kill_driver`) and what it is told."""

    process: subprocess.Popen[str]
    folder: Path

    def run(self, environment: dict[str, str], *arguments: str, at: int = 0) -> tuple[int, list[str], str]:
        """(exit code, the moments reached, output) of one command."""
        assert self.process.stdin
        assert self.process.stdout
        log, out = self.folder / "moments", self.folder / "output"
        asked = {"environment": environment, "arguments": arguments, "at": at, "log": str(log), "out": str(out)}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        code = json.loads(self.process.stdout.readline())["code"]
        return code, log.read_text().splitlines(), out.read_text()

    def done(self, environment: dict[str, str], *arguments: str) -> Any:
        """The JSON of a command that nobody disturbs."""
        code, _, output = self.run(environment, *arguments, "--json")
        assert code == 0, output
        return json.loads(output.splitlines()[-1])


@contextmanager
def forking(folder: Path) -> Iterator[Driver]:
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.laws.kill_driver"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        assert process.stdin
        with closing(process.stdin):
            yield Driver(process, folder)


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    with forking(tmp_path / "driver") as driver:
        yield driver


@dataclass
class Scenes:
    """Deployments in a known state, copied for every point at which a command is killed."""

    home: Path
    server_url: str
    openai: OpenAIServer
    copy: Callable[[str], str]

    def environment(self, url: str, home: Path) -> dict[str, str]:
        return {
            "DATABASE_URL": url,
            "ROWLINE_HOME": str(home),
            "EMBEDDING_PROVIDER": "openai",
            "EMBEDDING_DIMENSIONS": "16",
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": self.openai.base_url,
            "BATCH_ROWS": "4",
            "BATCHES_IN_FLIGHT": str(BATCHES_IN_FLIGHT),
            "EMBED_REQUEST_INPUTS": str(REQUEST_INPUTS),
        }

    def again(self, scene: dict[str, str]) -> dict[str, str]:
        """A fresh copy of a scene: its database and its files."""
        url = self.copy(urlsplit(scene["DATABASE_URL"]).path[1:])
        home = self.home / urlsplit(url).path[1:]
        shutil.copytree(scene["ROWLINE_HOME"], home)
        return self.environment(url, home)

    def drop(self, scene: dict[str, str]) -> None:
        drop_database(self.server_url, scene["DATABASE_URL"])
        shutil.rmtree(scene["ROWLINE_HOME"])


@pytest.fixture
def scenes(
    clean_environment: Path, server_url: str, openai: OpenAIServer, copy_database: Callable[[str], str]
) -> Scenes:
    return Scenes(clean_environment, server_url, openai, copy_database)


def points(moments: list[str], wanted: int) -> list[int]:
    """So many of the moments (1-based): half spread over all, half over those that are no commit, which are rarer."""
    rarer = [n for n, moment in enumerate(moments) if "a commit" not in moment]
    return sorted({n + 1 for n in [*spread(range(len(moments)), wanted // 2), *spread(rarer, wanted - wanted // 2)]})


def spread(numbers: Sequence[int], wanted: int) -> list[int]:
    """So many of the numbers, evenly, the first and the last among them."""
    return [numbers[round(n * (len(numbers) - 1) / max(wanted - 1, 1))] for n in range(wanted)]


@dataclass
class Calm:
    """A run that nobody disturbs: what it reaches, embeds and leaves."""

    document: str
    moments: list[str]
    known: int  # embeddings that were there before
    inputs: int
    state: dict[str, list[dict[str, Any]]]


def calm_run(driver: Driver, scenes: Scenes, scene: dict[str, str], document: str) -> Calm:
    here = scenes.again(scene)
    known = count(here, "embeddings")
    scenes.openai.reset()
    code, moments, output = driver.run(here, "process", document, "--json")
    assert code == 0, output
    calm = Calm(document, moments, known, scenes.openai.stats.inputs, state(here["DATABASE_URL"]))
    assert calm.inputs > 3 * REQUEST_INPUTS
    assert {"before an embedding request", "after an answer, not kept"} <= set(moments), "the SDK has another client"
    scenes.drop(here)
    return calm


def count(scene: dict[str, str], table: str) -> int:
    return int(ask(scene["DATABASE_URL"], f"SELECT count(*) AS n FROM {table}")[0]["n"])


def kill(driver: Driver, scenes: Scenes, scene: dict[str, str], calm: Calm, point: int) -> str:
    """Kill `rowline process` at one moment; the next run must put all of it right. A line for the table."""
    here = scenes.again(scene)
    scenes.openai.reset()
    code, reached, output = driver.run(here, "process", calm.document, at=point)
    assert code == KILLED, output
    answered, kept = scenes.openai.stats.inputs, count(here, "embeddings") - calm.known
    (live,) = ask(here["DATABASE_URL"], PROMISED)
    assert live["held"] == live["promised"], f"point {point}: live rows without their vectors after the crash"
    assert 0 <= answered - kept <= BATCHES_IN_FLIGHT * REQUEST_INPUTS

    scenes.openai.reset()
    driver.done(here, "process", calm.document)
    assert scenes.openai.stats.inputs == calm.inputs - kept, f"point {point}: finished batches were paid for again"
    assert differences(calm.state, state(here["DATABASE_URL"])) == [], f"point {point}, {reached[-1]}"
    assert count(here, "vectors") == ask(here["DATABASE_URL"], PROMISED)[0]["promised"]
    scenes.drop(here)
    paid_after = calm.inputs - kept
    return f"{point:4d} of {len(calm.moments)}  {reached[-1]:31s} {answered:4d} {kept:4d} {paid_after:4d}  as calm"


def spread_kills(workers: list[tuple[Driver, Scenes]], scene: dict[str, str], document: str, wanted: int) -> list[str]:
    """Kills at moments spread over the run, shared by the workers; the lines of the table in order."""
    calm = calm_run(*workers[0], scene, document)
    chosen = points(calm.moments, wanted)

    def share(number: int) -> list[tuple[int, str]]:
        driver, scenes = workers[number]
        return [(point, kill(driver, scenes, scene, calm, point)) for point in chosen[number :: len(workers)]]

    with ThreadPoolExecutor(len(workers)) as pool:
        shares = list(pool.map(share, range(len(workers))))
    return [line for _, line in sorted(chain(*shares))]


def prepared(driver: Driver, scenes: Scenes, template: str) -> tuple[dict[str, str], str]:
    """A deployment with employees, a template and one uploaded document."""
    scene = scenes.environment(scenes.copy(template), scenes.home / "scene")
    files = {"staff.yaml": STAFF.encode(), "week.csv": csv_bytes(week(0, 40)), "next.csv": csv_bytes(week(20, 76))}
    files["staff.csv"] = csv_bytes([["employeeNumber", "name"], *[[number, "Name"] for number in EMPLOYEES]])
    for name, body in files.items():
        (scenes.home / name).write_bytes(body)
    driver.done(scene, "employees", "put", str(scenes.home / "staff.csv"), "--org", "acme")
    driver.done(scene, "template", "put", str(scenes.home / "staff.yaml"), "--org", "acme")
    uploaded = driver.done(
        scene,
        "upload",
        str(scenes.home / "week.csv"),
        "--org",
        "acme",
        "--template",
        "staff",
        "--mode",
        "employee_split",
    )
    return scene, uploaded["documents"][0]["documentId"]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kills", [(4, 6), pytest.param((14, 20), marks=pytest.mark.long)], ids=["few", "many"])
def test_killed_anywhere_the_next_run_ends_as_if_nothing_had_happened(
    driver: Driver,
    scenes: Scenes,
    with_dagster: str,
    tmp_path: Path,
    tell: Callable[[str, str], None],
    kills: tuple[int, int],
):
    """First a first version, then a second that drops, keeps and adds rows."""
    scene, document = prepared(driver, scenes, with_dagster)
    follow = ["--document", document, "--template", "staff", "--mode", "employee_split"]
    with forking(tmp_path / "second") as second, OpenAIServer() as other:
        workers = [(driver, scenes), (second, replace(scenes, openai=other))]
        table = ["first version", *spread_kills(workers, scene, document, kills[0])]
        driver.done(scene, "process", document)
        driver.done(scene, "upload", str(scenes.home / "next.csv"), "--org", "acme", *follow)
        table += ["second version", *spread_kills(workers, scene, document, kills[1])]

    for line in table:
        tell("killed at point             moment          paid kept paid-after  end state", line)
    assert len(table) - 2 >= sum(kills) - 4, "some moments are chosen twice"


@pytest.mark.slow
def test_an_upload_killed_anywhere_is_whole_or_not_there(driver: Driver, scenes: Scenes, with_dagster: str):
    """Law 6 at every moment of `rowline upload`: a version in the ledger has all its bytes, and the next one works."""
    scene, _ = prepared(driver, scenes, with_dagster)
    upload = ["upload", str(scenes.home / "next.csv"), "--org", "acme"]
    calm = scenes.again(scene)
    _, moments, _ = driver.run(calm, *upload)
    scenes.drop(calm)
    assert {"before an object is renamed", "after an object was renamed", "after a commit"} <= set(moments)

    accepted = 0
    for point in range(1, len(moments) + 1):
        here = scenes.again(scene)
        assert driver.run(here, *upload, at=point)[0] == KILLED
        versions = ask(here["DATABASE_URL"], "SELECT filename, object_key, byte_size, sha256 FROM versions")
        assert len(versions) in {1, 2}
        for version in versions:
            body = (Path(here["ROWLINE_HOME"]) / "objects" / version["object_key"]).read_bytes()
            assert (len(body), sha256(body).digest()) == (version["byte_size"], version["sha256"])
        accepted += len(versions) == 2
        assert len(driver.done(here, *upload)["documents"]) == 1
        scenes.drop(here)
    assert 1 <= accepted < len(moments)


# -- going back, clean-up, sync ---------------------------------------------------------------------------------------

LOST = "DELETE FROM vectors WHERE vector_id IN (SELECT vector_id FROM vectors ORDER BY vector_id LIMIT 5)"
STRANGER = "INSERT INTO vectors SELECT model, namespace, gen_random_uuid(), embedding, '{}' FROM vectors LIMIT 1"
DONE_ALREADY = ("is live already", "There is no document")


def found(driver: Driver, scene: dict[str, str]) -> set[tuple[str, int]]:
    """(version, row number) of every row that a search shows."""
    hits = driver.done(scene, "search", "task", "--org", "acme", "-k", "200")["hits"]
    return {(source["version"], source["rowNumber"]) for hit in hits for source in hit["sources"]}


def kill_operation(
    driver: Driver, scenes: Scenes, scene: dict[str, str], command: list[str], wanted: int, whole: bool
) -> list[str]:
    """Kill the command at so many moments; in between a search shows all of one state, and again ends all of it."""
    calm = scenes.again(scene)
    before = found(driver, calm)
    _, moments, output = driver.run(calm, *command)
    expected, after = state(calm["DATABASE_URL"]), found(driver, calm)
    files = sorted(path.name for path in Path(calm["ROWLINE_HOME"]).rglob("objects/**/*") if path.is_file())
    scenes.drop(calm)
    lines = []
    for point in points(moments, wanted):
        here = scenes.again(scene)
        scenes.openai.reset()
        assert driver.run(here, *command, at=point)[0] == KILLED, output
        assert scenes.openai.stats.inputs == 0, "nothing is embedded"
        between = found(driver, here)
        assert between in (before, after) if whole else before <= between <= after, f"point {point}: a mixture"
        code, _, told = driver.run(here, *command)
        assert code == 0 or any(done in told for done in DONE_ALREADY), told
        assert differences(expected, state(here["DATABASE_URL"])) == [], f"point {point}, {moments[point - 1]}"
        assert files == sorted(p.name for p in Path(here["ROWLINE_HOME"]).rglob("objects/**/*") if p.is_file())
        scenes.drop(here)
        seen = "as before" if between == before else "as after" if between == after else "in part"
        lines.append(f"{point:4d} of {len(moments)}  {moments[point - 1]:31s} seen {seen:9s}  as calm")
    return lines


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kills", [2, pytest.param(6, marks=pytest.mark.long)])
def test_rollback_cleanup_retention_and_sync_killed_anywhere_end_when_they_are_done_again(
    driver: Driver, scenes: Scenes, with_dagster: str, tell: Callable[[str, str], None], kills: int
):
    scene, document = prepared(driver, scenes, with_dagster)
    driver.done(scene, "process", document)
    follow = ["--document", document, "--template", "staff", "--mode", "employee_split"]
    driver.done(scene, "upload", str(scenes.home / "next.csv"), "--org", "acme", *follow)
    driver.done(scene, "process", document)
    table = ["rollback", *kill_operation(driver, scenes, scene, ["rollback", document, "--to", "1"], kills, whole=True)]
    table += ["cleanup", *kill_operation(driver, scenes, scene, ["cleanup", document], kills, whole=True)]
    retention = ["cleanup-versions", "--keep", "1"]
    table += ["retention", *kill_operation(driver, scenes, scene, retention, kills, whole=True)]
    assert sum("an object" in line for line in table) >= 2, "some died while objects were deleted"
    with psycopg.connect(scene["DATABASE_URL"]) as connection:
        connection.execute(LOST)
        connection.execute(STRANGER)
    table += ["sync", *kill_operation(driver, scenes, scene, ["sync-vectors", "--repair"], kills - 1, whole=False)]
    for line in table:
        tell("killed at point             moment          a search then   end state", line)
