"""Runs that end badly leave a sentence on their document, never one that looks as if it were still worked on."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from resources.ledger.documents.documents import Version
from sensors.documents.run_failures import canceled_runs, failed_runs
from tests.laws.deployment import Deployment, items
from tests.laws.doubles import Watched


def a_run(rowline: Deployment, version: Version, **tags: str) -> dg.DagsterRun:
    """A run of the document as the daemon would have started it."""
    from dagster._core.test_utils import create_run_for_test

    key = f"{version.document_id}:{version.version}:{version.attempt}"
    return create_run_for_test(
        rowline.dagster,
        job_name="document_graph",
        tags={"dagster/partition": version.document_id, "dagster/run_key": key, "version": str(version.version)} | tags,
    )


def ended(rowline: Deployment, run: dg.DagsterRun, sensor: Any, report: str) -> None:
    event = getattr(rowline.dagster, report)(run)
    told = rowline.dagster.get_run_by_id(run.run_id)
    assert told
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name, dagster_event=event, dagster_instance=rowline.dagster, dagster_run=told
    )
    if sensor is failed_runs:
        context = context.for_run_failure()
    sensor(context, ledger=rowline.services.ledger)


RETRIES = {"run_retries": {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}}
FAILED = (failed_runs, "report_run_failed", "The run failed; run")
STOPPED = (canceled_runs, "report_run_canceled", "The run was stopped; run")


@pytest.mark.parametrize(("sensor", "report", "told"), [FAILED, STOPPED])
def test_a_run_that_died_half_way_is_told_on_its_document_and_its_open_batches(
    rowline: Deployment, sensor: Any, report: str, told: str
):
    """The process was killed: nobody was left to write why; finished batches stay finished."""
    version = rowline.upload(items(*"abcdefgh"))
    run = a_run(rowline, version)
    for step in ("parsed_rows", "batches", "embeddings"):
        rowline.step(step, version.document_id, run.run_id)
    rowline.sql("UPDATE batches SET status = 'processing' WHERE batch_number = 2")
    ended(rowline, run, sensor, report)

    after = rowline.services.ledger.documents.latest(version.document_id)
    assert after.status == "failed"
    assert after.error.startswith(told)
    assert f"run {run.run_id[:8]} in Dagster has the details" in after.error
    assert [batch["status"] for batch in rowline.batches(after)] == ["completed", "failed"]


@pytest.mark.parametrize(("sensor", "report", "told"), [FAILED, STOPPED])
def test_a_run_that_died_before_its_first_step_is_told_too(rowline: Deployment, sensor: Any, report: str, told: str):
    """Out of memory at the start, or stopped in the queue: without this the document would wait for ever."""
    version = rowline.upload(items("anvil"))
    rowline.services.ledger.documents.mark_requested([(version.document_id, 1, 1)])
    ended(rowline, a_run(rowline, version), sensor, report)
    after = rowline.services.ledger.documents.latest(version.document_id)
    assert (after.status, (after.error or "")[: len(told)]) == ("failed", told)


def test_a_run_that_dagster_runs_again_fails_no_document(rowline: Deployment):
    """After a restart, say. Told `failed`, a person would press retry while the next run is at work."""
    with dg.DagsterInstance.ephemeral(settings=RETRIES) as dagster:
        rowline = Deployment(rowline.services, dagster)
        version = rowline.upload(items("anvil"))
        first = a_run(rowline, version)
        rowline.step("parsed_rows", version.document_id, first.run_id)
        ended(rowline, first, failed_runs, "report_run_failed")
        newest = rowline.services.ledger.documents.latest
        assert newest(version.document_id).status == "processing"
        last = a_run(rowline, version, **{"dagster/max_retries": "0"})
        rowline.step("parsed_rows", version.document_id, last.run_id)
        ended(rowline, last, failed_runs, "report_run_failed")
        assert newest(version.document_id).status == "failed"


def test_the_late_news_of_an_old_run_does_not_touch_the_retry(rowline: Deployment):
    """The document was put back into the queue meanwhile; its new attempt is not failed by the old run."""
    version = rowline.upload(items("anvil"))
    old = a_run(rowline, version)
    rowline.step("parsed_rows", version.document_id, old.run_id)
    rowline.services.ledger.documents.fail(version.document_id, 1, "no luck")
    retried = rowline.services.ledger.documents.retry(version.document_id)
    rowline.services.ledger.documents.mark_requested([(version.document_id, 1, retried.attempt)])
    ended(rowline, old, failed_runs, "report_run_failed")
    assert rowline.services.ledger.documents.latest(version.document_id).status == "pending"


def test_a_completed_document_stays_completed_whatever_run_fails_later(rowline: Deployment):
    version = rowline.index(items("anvil"))
    run = a_run(rowline, version)
    rowline.step("parsed_rows", version.document_id, run.run_id)
    ended(rowline, run, failed_runs, "report_run_failed")
    assert rowline.services.ledger.documents.latest(version.document_id).status == "completed"


def test_a_sentence_that_a_step_wrote_is_not_written_over(rowline: Deployment):
    """The step knows best why."""
    uploaded = rowline.upload(b"no table at all", filename="notes.csv")
    run = rowline.run(uploaded.document_id)
    written = rowline.services.ledger.documents.latest(uploaded.document_id).error
    assert "notes.csv" in written
    ended(rowline, rowline.dagster.get_run_by_id(run.run_id), failed_runs, "report_run_failed")
    assert rowline.services.ledger.documents.latest(uploaded.document_id).error == written


def test_a_run_of_something_else_is_none_of_its_business(rowline: Deployment):
    version = rowline.upload(items("anvil"))
    from dagster._core.test_utils import create_run_for_test

    ended(rowline, create_run_for_test(rowline.dagster, job_name="other"), failed_runs, "report_run_failed")
    assert rowline.services.ledger.documents.latest(version.document_id).status == "pending"


def test_a_transient_failure_is_tried_three_times_and_then_told(rowline: Deployment):
    """B3: two retries; what is told says how often it was tried."""
    from domain.errors import TransientError

    calls: list[str] = []

    def away(name: str, _: Any) -> None:
        if name == "missing":
            calls.append(name)
            raise TransientError("The store is away")

    uploaded = rowline.upload(items("anvil"))
    version = rowline.process(uploaded.document_id, vectors=Watched(rowline.services.vectors, away))
    assert (version.status, version.error) == ("failed", "The store is away (tried 3 times)")
    assert len(calls) == 3
    rowline.services.ledger.documents.retry(uploaded.document_id)
    assert rowline.process(uploaded.document_id).status == "completed"
    assert len(rowline.services.embedder.asked) == 1
