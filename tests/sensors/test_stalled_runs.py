"""Runs whose process died are found and ended while the daemon runs; a living run never is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from domain.documents.stalled_runs import Observation
from resources.dagster_instance.run_processes import PROCESS_TAG, Process
from resources.ledger.documents.documents import Version
from sensors.documents.stalled_runs import inspect_runs, stuck_runs
from tests.laws.deployment import Deployment, items

Child = subprocess.Popen[bytes]
RETRIES = {"run_retries": {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}}


@pytest.fixture
def child() -> Iterator[Child]:
    """A process that lives until it is told to end."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def process_of(child: Child) -> Process:
    import psutil

    return replace(Process.current(), pid=child.pid, started=int(psutil.Process(child.pid).create_time()))


def started(rowline: Deployment, version: Version, process: Process | None, **tags: str) -> dg.DagsterRun:
    """A run of the document that is under way, its first step done."""
    key = f"{version.document_id}:{version.version}:{version.attempt}"
    named = {PROCESS_TAG: process.tag} if process else {}
    run = create_run_for_test(
        rowline.dagster,
        job_name="document_graph",
        tags={"dagster/partition": version.document_id, "dagster/run_key": key, **named, **tags},
        status=dg.DagsterRunStatus.STARTED,
    )
    rowline.step("parsed_rows", version.document_id, run.run_id)
    return run


def watch(rowline: Deployment, until: float = 60.0) -> list[float]:
    """Look every ten seconds; the moments at which a run was ended."""
    seen: dict[str, Observation] = {}
    told = []
    for tenth in range(int(until) // 10 + 1):
        seen, ended = inspect_runs(rowline.dagster, rowline.services.ledger, seen, tenth * 10.0, lambda _: None)
        told += [tenth * 10.0] * ended
    return told


def status(rowline: Deployment, version: Version) -> str:
    return rowline.services.ledger.documents.latest(version.document_id).status


def run_status(rowline: Deployment, run: dg.DagsterRun) -> str:
    found = rowline.dagster.get_run_by_id(run.run_id)
    assert found is not None
    return found.status.value


def test_a_killed_process_is_found_told_and_can_be_retried_at_once(rowline: Deployment, child: Child):
    """kill -9 leaves the run STARTED, and its document's place in the queue taken, for hours."""
    version = rowline.upload(items("anvil", "bellows"))
    run = started(rowline, version, process_of(child))
    assert watch(rowline) == []

    child.kill()
    child.wait()
    assert watch(rowline) == [30.0]
    assert (run_status(rowline, run), status(rowline, version)) == ("FAILURE", "failed")
    told = rowline.services.ledger.documents.latest(version.document_id).error
    assert told == (
        f"The process of run {run.run_id[:8]} on {process_of_here()} (process {child.pid}) is gone: killed, out of "
        "memory, or its machine stopped. Finished batches are kept: retry."
    )
    rowline.services.ledger.documents.retry(version.document_id)
    assert rowline.process(version.document_id).status == "completed"
    assert watch(rowline) == []


def test_a_document_whose_run_dagster_starts_again_is_not_failed(rowline: Deployment, child: Child):
    with dg.DagsterInstance.ephemeral(settings=RETRIES) as dagster:
        rowline = Deployment(rowline.services, dagster)
        version = rowline.upload(items("anvil", "bellows"))
        dead = process_of(child)
        child.kill()
        child.wait()
        run = started(rowline, version, dead)
        assert watch(rowline) == [30.0]
        assert (run_status(rowline, run), status(rowline, version)) == ("FAILURE", "processing")
        assert watch(rowline) == []
        again = started(rowline, version, dead, **{"dagster/max_retries": "0"})
        assert watch(rowline) == [30.0]
        assert (run_status(rowline, again), status(rowline, version)) == ("FAILURE", "failed")


def process_of_here() -> str:
    return Process.current().host


def test_a_zombie_is_no_living_process(rowline: Deployment, child: Child):
    """Killed, and nobody has asked for its end: the code server may be slow to do so."""
    process = process_of(child)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
    assert process.is_alive() is False


def test_a_number_that_another_process_got_is_not_the_old_one(rowline: Deployment, child: Child):
    version = rowline.upload(items("anvil"))
    started(rowline, version, replace(process_of(child), started=1))
    assert watch(rowline) == [30.0]


ELSEWHERE = Process("another-host", 7, 7)


@pytest.mark.parametrize("process", [ELSEWHERE, None])
def test_a_run_of_another_machine_lives_as_long_as_somebody_holds_its_claim(
    rowline: Deployment, process: Process | None
):
    version = rowline.upload(items("anvil"))
    run = started(rowline, version, process)
    with rowline.services.ledger.documents.claim(version.document_id):  # a slow step, however slow
        assert watch(rowline, until=600.0) == []
    assert watch(rowline, until=20.0) == []
    assert watch(rowline) == [30.0]
    assert run_status(rowline, run) == "FAILURE"


def test_a_living_run_of_this_machine_is_left_alone_also_where_it_lost_its_claim(rowline: Deployment):
    """A database that restarted took the claim with it."""
    version = rowline.upload(items("anvil"))
    run = started(rowline, version, Process.current())
    assert watch(rowline, until=600.0) == []
    assert run_status(rowline, run) == "STARTED"


def test_checks_claim_the_document_as_steps_do(rowline: Deployment):
    """They may take minutes; a run in a check lives."""
    held: dict[str, bool] = {}

    def watched(name: str) -> Callable[..., Any]:
        from resources.ledger.documents.documents import Documents

        real: Callable[..., Any] = getattr(Documents, name)

        def patched(self: Documents, document_id: str, *rest: Any) -> Any:
            held[name] = self.is_claimed(document_id)
            return real(self, document_id, *rest)

        return patched

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resources.ledger.documents.documents.Documents.current_for_run", watched("current_for_run"))
        rowline.process(rowline.upload(items("anvil")).document_id)
    assert held == {"current_for_run": True}


def test_a_run_that_is_tried_again_is_not_taken_for_the_dead_one_whose_tags_it_has(rowline: Deployment, child: Child):
    """Dagster copies the tags; between its start and its first step the new run has no other."""
    version = rowline.upload(items("anvil"))
    run = started(rowline, version, replace(process_of(child), run="0badcafe"))
    child.kill()
    child.wait()
    with rowline.services.ledger.documents.claim(version.document_id):
        assert watch(rowline) == []
    assert run_status(rowline, run) == "STARTED"


def test_a_run_that_is_starting_or_has_ended_is_none_of_its_business(rowline: Deployment):
    version = rowline.upload(items("anvil"))
    waiting = [
        create_run_for_test(rowline.dagster, job_name="document_graph", tags={}, status=status)
        for status in (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.SUCCESS)
    ]
    assert watch(rowline) == []
    assert [run_status(rowline, run) for run in waiting] == ["NOT_STARTED", "STARTING", "SUCCESS"]
    assert status(rowline, version) == "pending"


def test_a_version_whose_run_ended_without_a_word_is_told_as_well(rowline: Deployment):
    """The sensor failed_runs was paused when it happened."""
    version = rowline.upload(items("anvil"))
    run = started(rowline, version, None)
    rowline.dagster.report_run_failed(run)
    assert watch(rowline) == [30.0]
    assert status(rowline, version) == "failed"


def test_a_document_that_waits_for_a_service_or_for_a_person_is_not_stuck(rowline: Deployment):
    """Its run has ended well, and a later one goes on."""
    version = rowline.upload(items("anvil"))
    run = started(rowline, version, None)
    rowline.dagster.report_run_failed(run)
    rowline.sql("UPDATE versions SET waiting_reason = 'an order'")
    by_hand = rowline.upload(items("bellows"))
    rowline.step("parsed_rows", by_hand.document_id, _succeeded(rowline).run_id)
    assert watch(rowline) == []
    assert (status(rowline, version), status(rowline, by_hand)) == ("processing", "processing")


def _succeeded(rowline: Deployment) -> dg.DagsterRun:
    return create_run_for_test(rowline.dagster, job_name="document_graph", status=dg.DagsterRunStatus.SUCCESS)


def test_a_dead_run_of_a_job_on_documents_is_ended_too(rowline: Deployment, child: Child):
    """Rollback, clean-up and sync hold no claim that belongs to the run: only its process tells."""
    run = create_run_for_test(
        rowline.dagster,
        job_name="vector_sync",
        tags={PROCESS_TAG: process_of(child).tag},
        status=dg.DagsterRunStatus.STARTED,
    )
    assert watch(rowline) == []
    child.kill()
    child.wait()
    assert watch(rowline) == [30.0]
    assert run_status(rowline, run) == "FAILURE"


def test_the_sensor_remembers_between_its_ticks_and_says_what_it_saw(rowline: Deployment):
    run = started(rowline, rowline.upload(items("anvil")), None)
    cursor: str | None = None
    for looks in (1, 2):
        resources = {"ledger": rowline.services.ledger}
        with dg.build_sensor_context(instance=rowline.dagster, cursor=cursor, resources=resources) as context:
            said = stuck_runs(context)
            cursor = context.cursor
        assert said.skip_message == "1 runs show no sign of life, 0 were ended"
        assert [(run_id, seen[2]) for run_id, seen in json.loads(cursor or "{}").items()] == [(run.run_id, looks)]


def test_a_run_names_its_process_when_it_opens_the_ledger(services: Any, dagster_instance: dg.DagsterInstance):
    """What the sensor relies on: the tag of the run, by which its death is seen."""
    from pipelines import resources

    @dg.op(required_resource_keys={"ledger"})
    def work() -> None:
        pass

    @dg.job(resource_defs={"ledger": resources.RESOURCES["ledger"]})
    def job() -> None:
        work()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resources, "services", lambda: services)
        run = job.execute_in_process(instance=dagster_instance)
    tags = dagster_instance.get_run_by_id(run.run_id).tags
    process = Process.from_tags(tags, run.run_id, is_retry=True)
    assert process == Process.current(run.run_id)
    assert process.is_alive() is True
    assert Process.from_tags(tags, "another run", is_retry=True) is None
