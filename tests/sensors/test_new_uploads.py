"""The postman of uploads: one run for each waiting version, asked for once, and at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import dagster as dg
import psycopg
import pytest

from sensors.documents import uploads
from tests.laws.deployment import Deployment, items


@pytest.fixture
def tick(rowline: Deployment, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], Any]:
    """One tick of the sensor with a cursor; where nothing waits it looks once and does not wait."""
    monkeypatch.setattr(uploads, "MAX_WAIT_SECONDS", 0.0)

    def ticked(cursor: str | None) -> Any:
        with dg.build_sensor_context(instance=rowline.dagster, cursor=cursor) as context:
            return uploads.evaluate(context, ledger=rowline.services.ledger, settings=rowline.services.settings)

    return ticked


def keys(result: Any) -> list[str | None]:
    return [request.run_key for request in result.run_requests]


def test_each_waiting_version_gets_one_run_of_its_partition(rowline: Deployment, tick: Any):
    """A partition is registered and a run requested in the same tick; the run key names version and attempt."""
    first, second = rowline.upload(items("anvil")), rowline.upload(items("bellows"))
    result = tick(None)

    assert [request.partition_key for request in result.run_requests] == [first.document_id, second.document_id]
    assert keys(result) == [f"{first.document_id}:1:1", f"{second.document_id}:1:1"]
    assert result.run_requests[0].tags["document"] == first.document_id
    assert result.run_requests[0].tags["version"] == "1"
    (added,) = result.dynamic_partitions_requests
    assert added.partitions_def_name == "documents"
    assert added.partition_keys == [first.document_id, second.document_id]
    assert json.loads(result.cursor) == keys(result)


def test_a_document_with_two_waiting_versions_gets_one_run_for_the_newest(rowline: Deployment, tick: Any):
    """The older one is told by the run that it was overtaken."""
    first = rowline.upload(items("anvil"))
    rowline.upload(items("bellows"), first.document_id)
    assert keys(tick(None)) == [f"{first.document_id}:2:1"]
    rowline.quick(first.document_id)
    older = rowline.services.ledger.documents.get(first.document_id, 1)
    assert (older.status, older.error) == ("failed", "Version 2 was uploaded before this one was processed")


def test_the_next_tick_remembers_what_was_requested_and_asks_no_more(rowline: Deployment, tick: Any):
    """The cursor is stored only after the daemon took the requests: so the ledger is told one tick later."""
    uploaded = rowline.upload(items("anvil"))
    first = tick(None)
    assert [v.document_id for v in rowline.services.ledger.documents.pending()] == [uploaded.document_id]
    second = tick(first.cursor)
    assert isinstance(second, dg.SkipReason)
    assert rowline.services.ledger.documents.pending() == []
    assert isinstance(tick("[]"), dg.SkipReason)


def test_a_tick_that_was_lost_asks_again_with_the_same_key(rowline: Deployment, tick: Any):
    """The daemon died before it stored the cursor: Dagster starts no second run for a run key it knows."""
    rowline.upload(items("anvil"))
    assert keys(tick(None)) == keys(tick(None))


def test_an_upload_that_arrives_with_the_next_tick_is_requested_beside_what_is_remembered(
    rowline: Deployment, tick: Any
):
    rowline.upload(items("anvil"))
    first = tick(None)
    later = rowline.upload(items("bellows"))
    assert keys(tick(first.cursor)) == [f"{later.document_id}:1:1"]


def test_a_retried_document_is_a_new_attempt_with_a_key_of_its_own(rowline: Deployment, tick: Any):
    """A run key is remembered for ever: the same one would start nothing."""
    uploaded = rowline.upload(items("anvil"))
    ledger = rowline.services.ledger
    tick(tick(None).cursor)
    ledger.documents.fail(uploaded.document_id, 1, "no luck")
    assert isinstance(tick("[]"), dg.SkipReason)
    assert ledger.documents.retry(uploaded.document_id).attempt == 2
    assert keys(tick("[]")) == [f"{uploaded.document_id}:1:2"]


def test_a_document_that_is_retried_before_the_next_tick_is_asked_for_all_the_same(rowline: Deployment, tick: Any):
    """Its run failed within a second: what the tick before asked for was the attempt before."""
    uploaded = rowline.upload(items("anvil"))
    first = tick(None)
    rowline.services.ledger.documents.fail(uploaded.document_id, 1, "no luck")
    rowline.services.ledger.documents.retry(uploaded.document_id)
    assert keys(tick(first.cursor)) == [f"{uploaded.document_id}:1:2"]


def test_the_daemon_really_starts_one_run_for_a_request_that_comes_twice(rowline: Deployment, tick: Any):
    """What the two laws above rely on, in Dagster's own terms: partition and run exist after the request."""
    uploaded = rowline.upload(items("anvil"))
    result = tick(None)
    rowline.dagster.add_dynamic_partitions("documents", result.dynamic_partitions_requests[0].partition_keys)
    assert rowline.dagster.has_dynamic_partition("documents", uploaded.document_id)
    assert rowline.process(uploaded.document_id).status == "completed"
    assert isinstance(tick(result.cursor), dg.SkipReason)


def test_a_waiting_tick_wakes_up_at_the_upload(rowline: Deployment):
    """A long poll: it returns at the NOTIFY that comes with the upload, not after its 60 seconds."""
    documents = rowline.services.ledger.documents
    listening, done = threading.Event(), threading.Event()
    looked = documents.pending

    def waiting(limit: int = 500) -> Any:
        found = looked(limit)  # asked by wait_for_upload once it listens
        listening.set()
        return found

    documents.pending = waiting  # type: ignore[method-assign]

    def wait() -> None:
        documents.wait_for_upload(60)
        done.set()

    threading.Thread(target=wait, daemon=True).start()
    assert listening.wait(10)
    assert not done.is_set()
    rowline.upload(items("anvil"))
    assert done.wait(10)


def test_an_upload_committed_just_before_the_wait_ends_it_at_once(rowline: Deployment):
    """Its notification is gone; the look after LISTEN finds it."""
    rowline.upload(items("anvil"))
    rowline.services.ledger.documents.wait_for_upload(60)


def test_a_notification_of_an_upload_that_was_rolled_back_is_never_sent(rowline: Deployment, database_url: str):
    """Announced is committed: nobody is woken for a version that is not there."""
    with psycopg.connect(database_url, autocommit=True) as listener:
        listener.execute("LISTEN rowline_uploads")
        with suppress(KeyError), rowline.services.database.transaction() as connection:
            connection.execute("SELECT pg_notify('rowline_uploads', 'x')")
            raise KeyError
        uploaded = rowline.upload(items("anvil"))
        (heard,) = listener.notifies(timeout=10, stop_after=1)
        assert heard.payload == uploaded.document_id
