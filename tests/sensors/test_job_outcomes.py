"""How events end whose job died, was started again by Dagster, or was deleted there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import pytest

from operations.services import Services
from pipelines.definitions import defs
from sensors.events import job_outcomes, new_events
from sensors.run_retries import RETRY_SECONDS
from tests.domain.events.sender import Events
from tests.laws.deployment import Deployment, items

RETRIES = {"run_retries": {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}}


@pytest.fixture
def events(rowline: Deployment, services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[Events]:
    """By a Dagster that starts a run again whose process died, as ours does."""
    monkeypatch.setattr(new_events, "MAX_WAIT_SECONDS", 0.0)
    with dg.DagsterInstance.ephemeral(settings=RETRIES) as dagster:
        yield Events(Deployment(services, dagster))


def killed(events: Events, request: dg.RunRequest) -> str:
    """The request's run, whose process died, as the monitoring of runs reports it."""
    dagster = events.rowline.dagster
    run = dagster.create_run_for_job(
        defs.resolve_job_def(str(request.job_name)),
        run_config=request.run_config,
        tags={**request.tags, "dagster/run_key": str(request.run_key)},
        status=dg.DagsterRunStatus.STARTED,
    )
    dagster.report_run_failed(run, "The process of the run is gone")
    return run.run_id


def retried(events: Events, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """What Dagster starts after a process died."""
    return events.launch(request.with_replaced_attrs(tags={**request.tags, "dagster/retry_number": "1"}))


def test_a_job_that_died_goes_on_when_dagster_starts_it_again(events: Events):
    """What is about the same document waits for that: else the clean-up would take a later upload along."""
    document, run, request = events.cleaning_up()
    later = events.upload("d", "bellows")
    killed(events, request)
    for _ in range(2):
        events.tick()
        assert (events.run(run)["state"], events.run(later)["state"]) == ("requested", "waiting")
    assert retried(events, request).success
    events.tick()
    assert (events.run(run)["state"], events.run(later)["state"]) == ("completed", "attached")
    anew = events.services.ledger.documents.own_id("acme", "d")
    assert anew != document
    events.rowline.process(anew)
    assert len(events.rowline.found("item")) == 1


def test_a_job_whose_retry_died_too_has_failed(events: Events):
    _, run, request = events.cleaning_up()
    first = killed(events, request)
    events.tick()
    dagster = events.rowline.dagster
    family = {"dagster/parent_run_id": first, "dagster/root_run_id": first, "dagster/retry_number": "1"}
    second = dagster.create_run_for_job(
        defs.resolve_job_def(str(request.job_name)),
        run_config=request.run_config,
        tags={**request.tags, **family},
        status=dg.DagsterRunStatus.STARTED,
        parent_run_id=first,
        root_run_id=first,
    )
    events.tick()
    assert events.run(run)["state"] == "requested"
    dagster.report_run_failed(second, "The process of the run is gone")
    events.tick()
    assert events.run(run)["state"] == "failed"


@pytest.mark.parametrize("how", ["cancelled", "given up"])
def test_a_retry_of_what_has_ended_meanwhile_does_nothing(events: Events, how: str):
    document, run, request = events.cleaning_up()
    killed(events, request)
    events.tick()
    if how == "cancelled":
        assert events.services.ledger.events.cancel("acme", run)
        events.tick()
    else:
        late = time.time() + RETRY_SECONDS
        assert job_outcomes.end_jobs(events.rowline.dagster, events.services.ledger, lambda: late) == 1
    assert events.run(run)["state"] == ("cancelled" if how == "cancelled" else "failed")
    later = events.upload("d", "bellows")
    events.tick()
    assert (events.run(later)["state"], events.run(later)["document_id"]) == ("attached", document)
    assert not retried(events, request).success
    assert events.services.ledger.documents.own_id("acme", "d") == document
    assert len(events.rowline.found("item")) == 1


def test_a_job_whose_run_was_deleted_has_failed_and_the_next_one_begins(events: Events):
    """One sync at a time: one that nobody works on would hold up everybody's."""
    first, second = (events.send("vectors/sync.requested") for _ in range(2))
    (request,) = events.requests()
    events.rowline.dagster.delete_run(killed(events, request))
    assert events.requests() == []  # it may be that its run is about to be made
    events.rowline.sql("UPDATE function_runs SET requested_at = requested_at - %(ago)s", ago=job_outcomes.MISSING_AFTER)
    (request,) = events.requests()
    assert (events.run(first)["state"], events.run(first)["error"]) == ("failed", job_outcomes.MISSING)
    assert request.tags["rowline/event_run"] == second


def test_a_job_that_was_long_under_way_is_not_taken_for_deleted(events: Events):
    """However long it takes to begin."""
    version = events.rowline.index(items("anvil"))
    run = events.send("document/cleanup", documentId=version.document_id)
    (request,) = events.requests()
    events.tick()
    job = defs.resolve_job_def(str(request.job_name))
    events.rowline.dagster.create_run_for_job(
        job, run_config=request.run_config, tags=request.tags, status=dg.DagsterRunStatus.STARTING
    )
    events.rowline.sql("UPDATE function_runs SET requested_at = requested_at - %(ago)s", ago=timedelta(days=1))
    events.tick()
    assert events.run(run)["state"] == "requested"
