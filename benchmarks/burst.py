"""A burst of small workbooks into a running `rowline dev`: until all are searchable, against one run for each.

    python -m benchmarks.burst --uploads 500 --alone 8

The clock starts before the first upload is taken and stops when the last version is live. `alone` is a
sample with RUN_LAUNCHER=dagster: so few that each gets a run of its own, from which the burst is reckoned.
"""

import argparse
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import generator
from benchmarks.gateway_report import alone_lines, burst_lines, how, latency_lines, write_part
from benchmarks.latency import development, living, measure
from benchmarks.surroundings import environment, free_port, home, measured, wait_until

ROWS = 20
BURST_SECONDS = 1200
ORGANIZATION = "burst"
FEW = 8  # of domain.documents.run_planning: so many get a run each
STANDING = "SELECT status, count(*) AS number FROM versions GROUP BY status"
RUNS = "SELECT pipeline_name AS job, count(*) AS number FROM runs GROUP BY 1"


def burst(uploads: int, say: Any, **settings: str) -> dict[str, Any]:
    """Seconds until the uploads were taken, and until all were live; how many runs it took."""
    with home() as folder:
        port = free_port()
        chosen = environment(
            folder, EMBEDDING_PROVIDER="local", DAGSTER_PORT=str(port), GATEWAY_PORT=str(free_port()), **settings
        )
        say(f"burst: `rowline dev` starts {settings or ''}")
        before = os.getloadavg()[0]
        with development(folder, chosen, port) as results:
            say(f"burst: {uploads} uploads at once")
            results.update(measured("benchmarks.burst", {"uploads": uploads, "folder": str(folder)}, folder, chosen))
        results |= {"left_behind": len(living(folder)), "load": (before, os.getloadavg()[0])}
    return results


def pour(uploads: int, folder: Path) -> dict[str, Any]:
    """In a process of its own: all files first, then all uploads, then the wait."""
    from domain.documents.templates import WorkbookTemplate
    from operations.services import open_services

    services = open_services()
    files = [folder / f"{number}.xlsx" for number in range(uploads + 1)]
    for number, path in enumerate(files):
        generator.write_xlsx(path, generator.make_lists(ROWS, seed=number).v1)

    def take(path: Path) -> None:
        with path.open("rb") as body:
            services.uploads.upload(body, path.name, ORGANIZATION, WorkbookTemplate(), "company_wide")

    def standing() -> dict[str, int]:
        with services.database.transaction() as connection:
            return {row["status"]: row["number"] for row in connection.execute(STANDING)}

    take(files[0])  # everything is warm
    wait_until(lambda: standing().get("completed") == 1, BURST_SECONDS, "the first document", 0.1)
    began = time.perf_counter()
    for path in files[1:]:
        take(path)
    taken = time.perf_counter() - began
    wait_until(lambda: set(standing()) <= {"completed", "failed"}, BURST_SECONDS, "the burst", 0.1)
    done = time.perf_counter() - began
    with services.database.transaction() as connection:
        runs = {row["job"]: row["number"] for row in connection.execute(RUNS)}
    return {"taken": taken, "done": done, "standing": standing(), "runs": runs}


def main() -> None:
    """As a command, measures and writes; with a job in JSON, pours."""
    if sys.argv[1:] and sys.argv[1].startswith("{"):
        job = json.loads(sys.argv[1])
        print(json.dumps(pour(job["uploads"], Path(job["folder"]))))
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--uploads", type=int, default=500)
    parser.add_argument("--alone", type=int, default=FEW, help="the sample with one plain run each; 0: none")
    parser.add_argument("--latency", type=int, default=20, help="uploads one by one; 0: none")
    parser.add_argument("--no-file", action="store_true")
    asked = parser.parse_args()
    lines = how(" ".join(sys.argv[1:]))
    if asked.latency:
        lines += latency_lines(measure(asked.latency, say))
    grouped = burst(asked.uploads, say)
    lines += burst_lines(asked.uploads, grouped)
    if asked.alone:
        plain = burst(asked.alone, say, RUN_LAUNCHER="dagster")
        lines += alone_lines(asked.uploads, asked.alone, plain)
    print("\n".join(lines))
    if not asked.no_file:
        write_part("Warm runs and bursts", lines)


def say(words: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
