"""What happens to documents that exist, measured inside a process: `python -m benchmarks.life_scenes JOB`.

One scene a process: `versions` (1 % changed, there and back, another list, there and back, vectors lost), `index` (one
file, to be killed or to go on), `fill` (copies), `sync` and `cleanup`. Each writes JSON as its last line.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import generator
from benchmarks.comparison import WARM_UP_ROWS
from benchmarks.copies import NONE_SHARED, copy_document
from benchmarks.memory import forget_peak, megabytes
from benchmarks.rowline import Worker, worker
from benchmarks.surroundings import Counter
from operations.documents.removal import plan_removal, remove_document
from operations.documents.rollback import roll_back
from operations.documents.vector_sync import sync_vectors
from operations.services import Services
from pipelines.local_runs import instance, run_operation
from pipelines.resources import services

ORGANIZATION = "life"
HELD = "SELECT vector_id, md5(halfvec_send(embedding)) AS numbers FROM vectors WHERE namespace = %s"
OWED = """
SELECT DISTINCT l.vector_id, l.content FROM lineage l JOIN documents d ON d.document_id = l.document_id
   AND d.live_version = l.version WHERE d.organization_id = %s AND l.vector_id IS NOT NULL
"""
LOSE = """
DELETE FROM vectors WHERE (model, namespace, vector_id) IN (
    SELECT model, namespace, vector_id FROM vectors WHERE namespace = %s ORDER BY md5(vector_id::text) LIMIT %s)
"""
Results = dict[str, Any]


class Harm:
    """What is wrong in the store, as `peers.md`-style counts: stale, missing, and wrong (numbers or texts)."""

    def __init__(self, opened: Services) -> None:
        self._opened = opened
        self._numbers: dict[str, str] = {}  # as first seen: an address never changes its numbers

    def read(self, texts: set[str] | None = None) -> Results:
        """`texts`: what the live rows must say, where that is known."""
        with self._opened.database.transaction() as connection:
            owed_rows = connection.execute(OWED, (ORGANIZATION,)).fetchall()
            held_rows = connection.execute(HELD, (f"org_{ORGANIZATION}",)).fetchall()
        owed = {str(row["vector_id"]): row["content"] for row in owed_rows}
        held = {str(row["vector_id"]): row["numbers"] for row in held_rows}
        wrong = sum(self._numbers.setdefault(name, numbers) != numbers for name, numbers in held.items())
        if texts is not None:
            wrong += len({owed[name] for name in held.keys() & owed.keys()} ^ texts)
        return {"stale": len(held.keys() - owed.keys()), "missing": len(owed.keys() - held.keys()), "wrong": wrong}

    def lose(self, count: int) -> None:
        """Delete vectors behind the back of everything but the database."""
        with self._opened.database.transaction() as connection:
            connection.execute(LOSE, (f"org_{ORGANIZATION}", count))


def timed(act: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    results = act(*arguments)
    return time.perf_counter() - started, results


def versions(warm: Worker, job: Results) -> Results:
    """Three versions: a list, a month later (1 % changed), and quite another list."""
    opened, counter, rows = services(), Counter(job["endpoint"]), job["rows"]
    lists, other = generator.make_lists(rows), generator.make_lists(rows, seed=7)
    contents = {"first": lists.v1, "changed": lists.v2, "other": other.v1}
    texts = {name: set(map(generator.text_of, cells)) for name, cells in contents.items()}
    harm, results = Harm(opened), {}

    def step(name: str, expected: str, act: Callable[..., Results], *arguments: Any) -> Results:
        counter.reset()
        seconds, facts = timed(act, *arguments)
        results[name] = {**facts, "seconds": seconds, "inputs": counter.read()["inputs"], **harm.read(texts[expected])}
        return dict(facts)

    def upload(name: str, document: str | None) -> Results:
        path = Path.cwd() / f"{name}.xlsx"
        generator.write_xlsx(path, contents[name])
        return step(name, name, warm.index, path, ORGANIZATION, document)

    def there_and_back(name: str, older: tuple[int, str], newer: tuple[int, str]) -> None:
        for turn in range(job["turns"]):
            for direction, (number, expected) in (("back", older), ("forth", newer)):
                step(f"{name} {direction} {turn}", expected, gone_back, opened, document, number)
        step(f"{name} job back", older[1], rollback_job, opened, document, older[0])
        step(f"{name} job forth", newer[1], rollback_job, opened, document, newer[0])

    document = upload("first", None)["document"]
    upload("changed", document)
    there_and_back("1 %", (1, "first"), (2, "changed"))
    upload("other", document)
    there_and_back("all", (2, "changed"), (3, "other"))
    harm.lose(job["lost"])
    results["lost"] = harm.read()
    step("compared", "other", synced, opened, False)
    step("repaired", "other", synced, opened, True)
    return results


def gone_back(opened: Services, document: str, version: int) -> Results:
    return roll_back(opened.ledger, opened.vectors, document, version).as_json()


def rollback_job(opened: Services, document: str, version: int) -> Results:
    config = {"document_id": document, "to_version": version}
    results: Results = run_operation("document_rollback", "rolled_back_document", config, opened)
    return results


def synced(opened: Services, repair: bool) -> Results:
    return sync_vectors(opened.ledger, opened.vectors, repair).as_json()


def index(warm: Worker, job: Results) -> Results:
    """One file from nothing, or from where the process that died left it."""
    known = services().ledger.documents.list_all(ORGANIZATION)
    results = warm.index(Path(job["file"]), ORGANIZATION, known[0].document_id if known else None)
    return results | Harm(services()).read(set(map(generator.text_of, generator.make_lists(job["rows"]).v1)))


def fill(warm: Worker, job: Results) -> Results:
    """A document of `rows` rows, and copies of it."""
    path = Path.cwd() / "source.xlsx"
    generator.write_xlsx(path, generator.make_lists(job["rows"]).v1)
    results = warm.index(path, ORGANIZATION)
    seconds, ids = timed(copy_document, services(), results["document"], job["copies"], job["shared"])
    with instance(services().settings) as dagster:
        keys, _ = timed(dagster.add_dynamic_partitions, "documents", ids[: job["partitions"]])
    return {"seconds": seconds, "partitions": keys, **Harm(services()).read()}


def sync(_: Worker, job: Results) -> Results:
    """Compare; lose some, compare and repair. Memory is the first comparison's: later ones hide in freed memory."""
    opened, counter = services(), Counter(job["endpoint"])
    next(opened.ledger.reconciliation.namespaces(), None)  # opens what is opened at first use
    idle = megabytes("VmRSS")
    forget_peak()
    seconds, found = timed(synced, opened, False)
    results: Results = {"agreed": {**found, "seconds": seconds, "above": megabytes("VmHWM") - idle, "inputs": 0}}
    harm = Harm(opened)
    harm.read()  # the numbers as they are before anything is lost
    harm.lose(job["lost"])
    for name, repair in (("compared", False), ("repaired", True)):
        counter.reset()
        seconds, found = timed(synced, opened, repair)
        results[name] = {**found, "seconds": seconds, **counter.read()}
    return results | harm.read()


def cleanup(_: Worker, job: Results) -> Results:
    """Documents one by one, tried first and then removed; then as many in one Dagster job."""
    opened = services()
    ids = sorted(version.document_id for version in opened.ledger.documents.list_all(ORGANIZATION, 10**6))
    size = job["documents"]
    dry = [timed(plan_removal, opened.document_stores, d) for d in ids[:size]]
    wet = [timed(remove_document, opened.document_stores, d) for d in ids[:size]]
    config = {"document_ids": ids[size : 2 * size], "dry_run": False}
    whole, _ = timed(run_operation, "document_cleanup", "removed_documents", config, opened)
    left = 0
    for document in ids[: 2 * size]:
        with suppress(StopIteration):
            left += bool(next(opened.objects.keys(f"documents/{document}/")))
    return {
        "documents": len(ids),
        "dry": sum(seconds for seconds, _ in dry),
        "wet": sum(seconds for seconds, _ in wet),
        "median": median(seconds for seconds, _ in wet),
        "slowest": max(seconds for seconds, _ in wet),
        "vectors": sum(results.vectors_deleted for _, results in wet),
        "said": sum(plan.vectors_deleted for _, (plan,) in dry),
        "job": whole,
        "files_left": left,
        **Harm(opened).read(),
    }


SCENES = {scene.__name__: scene for scene in (versions, index, fill, sync, cleanup)}


def main() -> None:
    """Reads {scene, endpoint, warm, …} as an argument."""
    job = json.loads(sys.argv[1])
    with worker() as warm:
        if job.get("warm", True):
            warm_up = Path.cwd() / "warm_up.xlsx"
            generator.write_xlsx(warm_up, generator.make_lists(WARM_UP_ROWS, seed=1).v1)
            warm.index(warm_up, "warm-up")
        print(json.dumps(SCENES[job["scene"]](warm, {"shared": NONE_SHARED, "partitions": 0} | job)))


if __name__ == "__main__":
    main()
