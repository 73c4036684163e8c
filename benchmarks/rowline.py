"""Rowline on the same work: one process, one Dagster run for each file, as a warm run worker would have it.

Imports, the opening of the instance and a first small document come before the clock and are reported separately. What
is on the clock begins with the bytes of a file and ends when its rows are searchable and the run is over.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()

import dagster as dg  # noqa: E402 - the clock of the imports runs already

from benchmarks.generator import digest_of  # noqa: E402
from benchmarks.surroundings import Counter, PineconeCounter  # noqa: E402
from domain.documents.templates import WorkbookTemplate  # noqa: E402
from operations.services import Services  # noqa: E402
from pipelines.definitions import defs  # noqa: E402
from pipelines.local_runs import instance  # noqa: E402
from pipelines.resources import services  # noqa: E402


class Worker:
    """A process that runs document graphs."""

    def __init__(self, services: Services, dagster: dg.DagsterInstance) -> None:
        self._services = services
        self._dagster = dagster
        self._job = defs.resolve_job_def("document_graph")

    def index(self, path: Path, organization: str, document: str | None = None) -> dict[str, Any]:
        """Upload a file and run its graph, if the upload says that there is anything to do."""
        started = time.perf_counter()
        with path.open("rb") as body:
            version = self._services.uploads.upload(
                body, path.name, organization, WorkbookTemplate(), "company_wide", document
            ).version
        uploaded = time.perf_counter()
        results: dict[str, Any] = {"document": version.document_id, "upload": uploaded - started}
        if version.status != "completed":
            results |= self._run(version.document_id)
        return {**results, "seconds": time.perf_counter() - started}

    def _run(self, document: str) -> dict[str, Any]:
        started = time.perf_counter()
        self._dagster.add_dynamic_partitions("documents", [document])
        run = self._job.execute_in_process(
            partition_key=document, instance=self._dagster, tags={"document": document}, raise_on_error=False
        )
        seconds = time.perf_counter() - started
        if not run.success:
            raise RuntimeError(str(self._services.ledger.documents.latest(document).error))
        steps = {
            event.step_key: event.step_success_data.duration_ms / 1000
            for event in run.all_events
            if event.is_step_success and event.step_key
        }
        return {"run": seconds, "steps": steps, "events": len(run.all_events)}


@contextmanager
def worker() -> Iterator[Worker]:
    """A worker on the settings of the environment."""
    opened = services()
    with instance(opened.settings) as dagster:
        yield Worker(opened, dagster)
    opened.close()


def store_against_ledger(organization: str) -> dict[str, Any]:
    """What the vector store holds for an organization, beside what its live rows point at."""
    with services().database.transaction() as connection:
        live = connection.execute(
            "SELECT DISTINCT l.vector_id, l.content FROM lineage l JOIN documents d ON d.document_id = l.document_id "
            "AND d.live_version = l.version WHERE d.organization_id = %s AND l.vector_id IS NOT NULL",
            (organization,),
        ).fetchall()
    pages = services().vectors.id_pages(services().embedder.model.key, f"org_{organization}")
    owed, kept = {str(row["vector_id"]) for row in live}, {id_ for page in pages for id_ in page}
    texts = {row["content"] for row in live if str(row["vector_id"]) in kept}
    return {"stale": len(kept - owed), "missing": len(owed - kept), "texts": digest_of(texts)}


def main() -> None:
    """Reads {organization, endpoint, files, warm_up, pinecone} as an argument, writes each phase and the end state."""
    job = json.loads(sys.argv[1])
    counter, store = Counter(job["endpoint"]), PineconeCounter(job.get("pinecone"))
    results: dict[str, Any] = {"imports": time.perf_counter() - STARTED, "phases": {}}
    with worker() as warm:
        results["warm_up"] = warm.index(Path(job["warm_up"]), "warm-up")["seconds"]
        document = None
        for phase, path in job["files"].items():
            counter.reset()
            store.reset()
            facts = warm.index(Path(path), job["organization"], document)
            document = facts.pop("document")
            results["phases"][phase] = {**facts, **counter.read(), **store.read()}
        results["end"] = store_against_ledger(job["organization"])
    print(json.dumps(results))


if __name__ == "__main__":
    main()
