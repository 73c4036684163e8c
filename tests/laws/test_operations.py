"""The jobs on documents that exist: done again after a failure they end, and one document stops no other."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import dagster as dg
import pytest

from domain.errors import PermanentError, TransientError
from operations.documents.removal import DocumentStores, remove_document
from pipelines.jobs import maintenance
from pipelines.resources import NAMES
from tests.laws.deployment import Deployment, items
from tests.laws.doubles import FailsAt, Watched, watched_ledger


def work(rowline: Deployment, job: str, op: str, config: dict[str, Any], **doubles: Any) -> dg.ExecuteInProcessResult:
    resources = {name: getattr(rowline.services, name) for name in NAMES} | doubles
    held = {field.name for field in fields(DocumentStores)}
    resources["document_stores"] = replace(
        resources["document_stores"], **{n: d for n, d in doubles.items() if n in held}
    )
    definitions = dg.Definitions(jobs=[getattr(maintenance, job)], resources=resources)
    return definitions.resolve_job_def(job).execute_in_process(
        instance=rowline.dagster,
        resources=resources,  # in place of those that some jobs bind themselves
        raise_on_error=False,
        run_config={"ops": {op: {"config": config}}, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def removed(rowline: Deployment, documents: list[str], **doubles: Any) -> dg.ExecuteInProcessResult:
    config = {"document_ids": documents, "dry_run": False}
    return work(rowline, "document_cleanup", "removed_documents", config, **doubles)


def why(run: dg.ExecuteInProcessResult) -> str:
    (failed,) = [event for event in run.all_events if event.is_step_failure]
    return str(failed.step_failure_data.error)


def three(rowline: Deployment) -> list[str]:
    documents = [rowline.index(items(name)).document_id for name in ("anvil", "bellows", "chisel")]
    assert {*rowline.dagster.get_dynamic_partitions("documents")} == {*documents}
    return documents


def test_a_clean_up_of_several_documents_is_ended_by_its_retry(rowline: Deployment):
    """A service fails once at the second document: the first is gone when the step is tried again."""
    documents = three(rowline)
    failing = FailsAt(2, TransientError("the ledger is away"), ["forget"])
    run = removed(rowline, documents, ledger=watched_ledger(rowline.services.ledger, failing, "removals"))
    assert run.success
    told = {one["documentId"]: one["versions"] for one in run.output_for_node("removed_documents")}
    assert told == dict(zip(documents, ([], [1], [1]), strict=True))
    assert rowline.dagster.get_dynamic_partitions("documents") == []
    assert rowline.sql("SELECT 1 FROM documents") == []


def test_a_document_that_cannot_be_removed_stops_no_other(rowline: Deployment):
    documents = three(rowline)
    stuck = rowline.services.ledger.documents.latest(documents[1])

    def before(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "delete" and arguments == (stuck.upload.object_key,):
            raise PermanentError("the file is locked")

    run = removed(rowline, documents, objects=Watched(rowline.services.objects, before))
    assert not run.success
    assert f"1 of the documents could not be done, all others are. {documents[1]}: the file is locked" in why(run)
    assert rowline.dagster.get_dynamic_partitions("documents") == [documents[1]]
    assert removed(rowline, documents).success
    assert rowline.dagster.get_dynamic_partitions("documents") == []


def forgotten(rowline: Deployment, at_most: int, **doubles: Any) -> tuple[list[str], int]:
    config = {"keep": 1, "dry_run": False, "at_most": at_most}
    run = work(rowline, "old_versions_cleanup", "removed_versions", config, **doubles)
    assert run.success
    told = run.output_for_node("removed_versions")
    return [one["documentId"] for one in told["documents"]], told["remaining"]


def four_of_which_two_are_clean(rowline: Deployment) -> list[str]:
    documents = [rowline.index(items(name)).document_id for name in "abcd"]
    for document in documents[:2]:
        rowline.index(items("new", document), document)
    return documents


def test_retention_reaches_the_oldest_documents_and_says_what_is_left(rowline: Deployment):
    """It looked at the newest documents again and again, however clean they were."""
    documents = four_of_which_two_are_clean(rowline)
    assert forgotten(rowline, at_most=1) == (documents[:1], 1)
    assert forgotten(rowline, at_most=2) == (documents[1:2], 0)
    assert forgotten(rowline, at_most=2) == ([], 0)


def test_a_document_that_is_removed_meanwhile_does_not_end_retention(rowline: Deployment):
    documents = four_of_which_two_are_clean(rowline)
    services, left = rowline.services, [documents[0]]

    def before(name: str, _: tuple[Any, ...]) -> None:
        if name == "claim" and left:
            remove_document(services.document_stores, left.pop())

    ledger = watched_ledger(services.ledger, before, "documents")
    assert forgotten(rowline, at_most=9, ledger=ledger) == ([documents[1]], 0)


def test_a_repair_that_leaves_something_fails_and_says_whose(rowline: Deployment):
    first, second = rowline.index(items("anvil")), rowline.index(items("bellows"))
    hashes = [row["text_hash"] for row in rowline.lineage(first)]
    rowline.sql("DELETE FROM embeddings WHERE text_hash = ANY(%(hashes)s)", hashes=hashes)
    rowline.sql("DELETE FROM vectors")
    run = work(rowline, "vector_sync", "synced_vectors", {"repair": True})
    assert not run.success
    assert first.document_id in why(run)
    assert second.document_id not in why(run)
    assert len(rowline.stored()) == 1


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_batches_of_a_version_that_was_overtaken_are_not_in_work_for_ever(rowline: Deployment, status: str):
    document = rowline.upload(items(*"abcdef")).document_id
    for step in ("parsed_rows", "batches"):
        rowline.step(step, document, "run-1")
    rowline.sql("UPDATE batches SET status = 'processing' WHERE batch_number = 1")
    rowline.sql("UPDATE versions SET status = %(status)s", status=status)
    rowline.index(items("new"), document)
    told = rowline.sql("SELECT status FROM batches WHERE version = 1 ORDER BY batch_number")
    assert [row["status"] for row in told] == ["failed", "pending"]
