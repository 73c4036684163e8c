"""`python -m benchmarks.life`: what becomes of documents after they were indexed, with harm beside time.

Versions there and back, vectors lost from the store, a process killed half way, the comparison of 100,000 vectors, and
the clean-up of 100 documents among 10,000.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from benchmarks import generator, life_report, report
from benchmarks.comparison import Say, settle, started_server
from benchmarks.surroundings import Counter, Latency, endpoint, environment, home, measured, wait_until

RESULTS = Path(__file__).with_name("results-life.md")
SCENES = "benchmarks.life_scenes"
LOST = 100
INDEX_SECONDS = 120
BULK_DIMENSIONS = "512"  # of the copied vectors: what the local model gives; a comparison reads ids alone
CLEANED = 100
SMALL_ROWS, SHARED_EVERY = 10, 10  # a small document; one of its ten rows is in every other document as well

console = Console(stderr=True)
Results = dict[str, Any]


def versions(rows: int, turns: int, say: Say) -> Results:
    """Versions of one document, there and back, and vectors lost."""
    say(f"versions of {rows:,} rows")
    with home() as folder, started_server(folder) as server, endpoint(Latency()) as address:
        settle(server)
        job = {"scene": "versions", "endpoint": address, "rows": rows, "turns": turns, "lost": min(LOST, rows // 10)}
        results = measured(SCENES, job, folder, environment(folder, address))
    return {"rows": rows, "steps": results, "load": os.getloadavg()[0]}


def killed(rows: int, say: Say) -> Results:
    """kill -9 when about half of the texts were asked for; the same file again by another process."""
    say(f"killed half way through {rows:,} rows")
    with home() as folder, started_server(folder) as server, endpoint(Latency()) as address:
        file, lists, counter = folder / "first.xlsx", generator.make_lists(rows), Counter(address)
        generator.write_xlsx(file, lists.v1)
        texts = generator.facts_of(lists).texts_v1
        settings = environment(folder, address)
        job = {"scene": "index", "endpoint": address, "rows": rows, "file": str(file), "warm": False}
        died_after = kill_half_way(job, folder, settings, counter, texts // 2)
        before, kept = counter.read()["inputs"], kept_embeddings(server)
        counter.reset()
        results = measured(SCENES, job, folder, settings)
        after = counter.read()
    twice = before + after["inputs"] - texts
    return {**results, "rows": rows, "texts": texts, "asked": died_after, "before": before, "kept": kept, **after} | {
        "twice": twice,
        "load": os.getloadavg()[0],
    }


def kill_half_way(job: Results, folder: Path, settings: dict[str, str], counter: Counter, inputs: int) -> int:
    """How many texts had been asked for when the process was killed."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", SCENES, json.dumps(job)], env=settings, cwd=folder, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: counter.read()["inputs"] >= inputs, INDEX_SECONDS, "half of the texts", every=0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return counter.read()["inputs"]


def kept_embeddings(server: str) -> int:
    with psycopg.connect(server) as connection:
        row = connection.execute("SELECT count(*) FROM embeddings").fetchone()
    return int(row[0]) if row else 0


def synced(rows: int, copies: int, say: Say) -> Iterator[Results]:
    """The comparison of one document's vectors, and of so many documents' more."""
    for more in (0, copies):
        say(f"sync of {rows * (more + 1):,} vectors")
        with home() as folder, started_server(folder), endpoint(Latency(fixed=1, per_input=0)) as address:
            settings = environment(folder, address, EMBEDDING_DIMENSIONS=BULK_DIMENSIONS)
            measured(SCENES, {"scene": "fill", "rows": rows, "copies": more}, folder, settings)
            job = {"scene": "sync", "endpoint": address, "lost": min(LOST, rows // 10), "warm": False}
            yield {**measured(SCENES, job, folder, settings), "load": os.getloadavg()[0]}


def cleaned(documents: int, size: int, say: Say) -> Results:
    """`size` small documents out of so many."""
    say(f"clean-up of {size} documents among {documents:,}")
    with home() as folder, started_server(folder), endpoint(Latency(fixed=1, per_input=0)) as address:
        settings = environment(folder, address, EMBEDDING_DIMENSIONS=BULK_DIMENSIONS)
        fill = {"scene": "fill", "rows": SMALL_ROWS, "copies": documents - 1, "shared": SHARED_EVERY}
        filled = measured(SCENES, {**fill, "partitions": 10 * size}, folder, settings)
        results = measured(SCENES, {"scene": "cleanup", "documents": size, "warm": False}, folder, settings)
    return {**results, "size": size, "filled": filled, "load": os.getloadavg()[0]}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.life", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of the lists; 0: no versions, nothing killed")
    parser.add_argument("--turns", type=int, default=2, help="times there and back")
    parser.add_argument("--copies", type=int, default=9, help="of a list, for sync; 0 rows or 0 copies: none")
    parser.add_argument("--documents", type=int, default=10_000, help="small documents, for clean-up; 0: none")
    parser.add_argument("--no-file", action="store_true", help="print the tables only, leave results-life.md as it is")
    return parser.parse_args()


def parts(chosen: argparse.Namespace) -> Iterator[report.Section]:
    """The tables, part by part, as they are measured."""
    say = console.print
    if chosen.rows:
        results = versions(chosen.rows, chosen.turns, say)
        yield life_report.versions_section(results)
        yield life_report.harm_section(results, killed(chosen.rows, say))
    if chosen.rows and chosen.copies:
        yield life_report.sync_section(list(synced(chosen.rows, chosen.copies, say)), BULK_DIMENSIONS)
    if chosen.documents:
        yield life_report.cleanup_section(cleaned(chosen.documents, CLEANED, say))


def main() -> None:
    chosen = options()
    # stopped from outside, every part still ends what it started
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    command = " ".join(["python -m benchmarks.life", *sys.argv[1:]])
    sections: list[report.Section] = []
    for section in parts(chosen):
        report.show([section])
        sections.append(section)
        if not chosen.no_file:  # at once: a part that fails later costs only itself
            report.write(sections, command, RESULTS)


if __name__ == "__main__":
    main()
