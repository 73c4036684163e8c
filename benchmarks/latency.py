"""How soon an upload is searchable while `rowline dev` runs: small workbooks one by one, into a home of its own.

The clock starts when the upload is committed and stops at the first search that finds one of its rows. Who asks is a
process of its own on the same machine; it embeds each question once, so that asking every 20 ms takes no processor
from who works.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks import generator
from benchmarks.surroundings import environment, free_port, home, measured, reachable, wait_until

ROWS = 20
POLL_SECONDS = 0.02
START_SECONDS, STOP_SECONDS, DOCUMENT_SECONDS = 120, 60, 120
ORGANIZATION = "latency"
LEGS = """
SELECT extract(epoch FROM r.create_timestamp AT TIME ZONE current_setting('TimeZone') - v.uploaded_at) AS requested,
       extract(epoch FROM v.started_at - r.create_timestamp AT TIME ZONE current_setting('TimeZone')) AS started,
       extract(epoch FROM v.completed_at - v.started_at) AS completed
  FROM versions v JOIN runs r USING (run_id) WHERE v.document_id = %s
"""


def measure(uploads: int, say: Any) -> dict[str, Any]:
    """Seconds of `uploads` uploads, of the start, the first document and the stop; what was left running."""
    load = os.getloadavg()[0]
    with home() as folder:
        port = free_port()
        settings = environment(
            folder, EMBEDDING_PROVIDER="local", DAGSTER_PORT=str(port), GATEWAY_PORT=str(free_port())
        )
        say("latency: `rowline dev` starts")
        with development(folder, settings, port) as results:
            say(f"latency: {uploads} uploads one by one")
            results.update(
                measured("benchmarks.latency", {"uploads": uploads, "folder": str(folder)}, folder, settings)
            )
        results["left_behind"] = len(living(folder))
    every = results.pop("every")
    cuts = quantiles([one["found"] for one in every], n=20, method="inclusive")
    results["legs"] = {leg: median(one[leg] for one in every) for leg in ("requested", "started", "completed")}
    return {
        **results,
        "p50": cuts[9],
        "p95": cuts[18],
        "rows": ROWS,
        "uploads": uploads,
        "load": (load, os.getloadavg()[0]),
    }


@contextmanager
def development(folder: Path, settings: dict[str, str], port: int) -> Iterator[dict[str, Any]]:
    """`rowline dev` up inside the block, and stopped as Ctrl-C does; writes how long both took."""
    results: dict[str, Any] = {}
    started = time.monotonic()
    with (folder / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("rowline"), "dev"],
            env=settings,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        try:
            wait_until(lambda: reachable(f"http://127.0.0.1:{port}/server_info"), START_SECONDS, "`rowline dev`")
        except TimeoutError as error:
            raise RuntimeError(f"{error}:\n{log_end(folder)}") from error
        results["up"] = time.monotonic() - started
        yield results
    finally:
        asked = time.monotonic()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        results["down"] = time.monotonic() - asked


def log_end(folder: Path) -> str:
    logs = [folder / "dev.log", *sorted((folder / "logs").glob("*.log"))]
    return "\n".join(f"{log.name}: {log.read_text('utf-8', 'replace')[-2000:]}" for log in logs)


def living(folder: Path) -> list[int]:
    """Processes that carry this home in their environment, once those on their way out have had five seconds."""
    with suppress(TimeoutError):
        wait_until(lambda: not _carrying(folder), 5, "the end of all processes")
    return _carrying(folder)


def _carrying(folder: Path) -> list[int]:
    mark = f"ROWLINE_HOME={folder}".encode()
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
    return found


class Asker:
    """Uploads and asks, over the same resources as the command and the gateway."""

    def __init__(self) -> None:
        from operations.services import open_services

        self._services = open_services()

    def seconds_until_found(self, path: Path, question: str) -> dict[str, float]:
        """From the committed upload to the first search that finds the row, and where they went."""
        from domain.documents.templates import WorkbookTemplate
        from operations.documents.search import Scope, Search

        services = self._services
        search = Search(services.ledger, services.vectors, Remembering(services.embedder, question))
        with path.open("rb") as body:
            version = services.uploads.upload(body, path.name, ORGANIZATION, WorkbookTemplate(), "company_wide").version
        committed = time.perf_counter()
        scope = Scope(ORGANIZATION, document_id=version.document_id)
        wait_until(lambda: search.find(question, scope, 1), DOCUMENT_SECONDS, path.name, POLL_SECONDS)
        found = time.perf_counter() - committed
        return {"found": found, **self._legs(version.document_id)}

    def _legs(self, document: str) -> dict[str, float]:
        """The way of a document by the ledger's clock: who takes it up, who starts working, when it is live."""
        with self._services.database.transaction() as connection:
            row = connection.execute(LEGS, (document,)).fetchone()
        assert row is not None
        return {name: float(seconds) for name, seconds in row.items()}


class Remembering:
    """An embedder that answers one question from memory."""

    def __init__(self, embedder: Any, question: str) -> None:
        self.model = embedder.model
        self._question = question
        self._answer = embedder.embed([question])

    def embed(self, texts: Sequence[str]) -> Any:
        if list(texts) != [self._question]:
            raise ValueError("not the question that was remembered")
        return self._answer


def main() -> None:
    """Reads {uploads, folder} as an argument, writes the seconds of the first document and of each upload."""
    job = json.loads(sys.argv[1])
    asker = Asker()
    seconds = []
    for number in range(job["uploads"] + 1):
        path = Path(job["folder"]) / f"{number}.xlsx"
        rows = generator.make_lists(ROWS, seed=number).v1
        generator.write_xlsx(path, rows)
        seconds.append(asker.seconds_until_found(path, generator.text_of(rows[-1])))
    print(json.dumps({"first": seconds[0]["found"], "every": seconds[1:]}))


if __name__ == "__main__":
    main()
