"""Orders at the lower price: a document waits without a worker, and nothing is ordered or paid twice."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from domain.documents.embedding_jobs import INITIAL_POLL_INTERVAL_SECONDS, job_ranges
from domain.errors import InvalidRequest, TransientError
from operations.documents import embedding_jobs
from resources.embedders.openai import PRICES
from resources.ledger.indexing import embedding_jobs as job_records
from tests.grids import moments
from tests.laws.deployment import Deployment, items
from tests.laws.doubles import FailsAt, Watched, WordEmbedder
from tests.laws.patience import TABLE, order, states, tick
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai_server import OpenAIServer


def test_a_document_waits_and_is_completed_at_half_the_price(patient: Deployment, openai: OpenAIServer):
    """The first run ends well without its later steps; the second finds nothing left to pay."""
    uploaded = patient.upload(TABLE, economy=True)
    run = patient.run(uploaded.document_id)
    assert run.success
    made = {event.asset_key.to_user_string() for event in run.get_asset_materialization_events()}
    assert made == {"parsed_rows", "batches"}
    assert {check.check_name for check in run.get_asset_check_evaluations()} == {
        "rows_found",
        "row_counts_add_up",
        "no_error_rows",
    }
    version = patient.services.ledger.documents.latest(uploaded.document_id)
    (seen,) = [event for event in run.all_events if event.is_asset_observation]
    assert seen.partition == uploaded.document_id
    assert seen.asset_observation_data.asset_observation.metadata["waits_for"].value == version.waiting_reason
    assert (version.status, version.result) == ("processing", None)
    assert "10 texts at the lower price (1 batch job, up to 24 hours)" in version.waiting_reason
    assert patient.services.ledger.documents.pending() == []

    assert tick(patient) == "Embedding jobs under way: 1, ended: 0; documents queued again: 0"
    openai.batches.complete()
    assert tick(patient) == "Embedding jobs under way: 0, ended: 1; documents queued again: 1"
    (waiting,) = patient.services.ledger.documents.pending()
    assert (waiting.document_id, waiting.attempt, waiting.waiting_reason) == (uploaded.document_id, 2, None)

    version = patient.process(uploaded.document_id)
    assert (version.status, openai.stats.requests, openai.batches.inputs) == ("completed", 0, 10)
    assert set(patient.stored()) == patient.promised()
    assert (version.result["embeddedInputs"], version.result["tokens"]) == (10, openai.batches.tokens)
    half = openai.batches.tokens * PRICES["text-embedding-3-small"] / 1e6 / 2
    assert version.result["costUsd"] == pytest.approx(half)
    assert [batch["embeddedInputs"] for batch in patient.batches(version)] == [4, 4, 2]


def test_looking_again_before_it_is_done_orders_nothing_and_waits_on(patient: Deployment, openai: OpenAIServer):
    """A person runs `rowline process` on a document that waits."""
    version = order(patient)
    again = patient.process(version.document_id)
    assert (again.status, again.waiting_reason) == ("processing", version.waiting_reason)
    assert len(openai.batches.all) == 1
    openai.batches.complete()
    assert patient.process(version.document_id).status == "completed"
    assert openai.batches.inputs == 10


@pytest.mark.parametrize("operation", ["files.create", "batches.create", "batches.list", "batches.retrieve"])
@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "truncated", "garbage", "server_error", "rate_limit"])
def test_trouble_while_ordering_orders_once(patient: Deployment, openai: OpenAIServer, operation: str, kind: str):
    """Above all: an order that was placed though its answer was lost is found, not repeated."""
    openai.faults.append(Fault(kind, operation))
    version = order(patient)
    assert "waits for" in version.waiting_reason
    assert [batch.metadata["rowline_order"] for batch in openai.batches.all.values()] == [f"{version.document_id}:1:1"]


CALLS = ["open", "create", "open", "texts", "mark_submitted", "wait"]  # of the ledger, by a run that begins to wait
CALLS_AFTER = [
    "open",
    "save_job_results",
    "save_job_results",
    "save_job_results",
    "finish",
    "create",
    "open",
]  # by the run that collects


def dying_step(patient: Deployment, document: str, at: int) -> list[str]:
    """The body of the embeddings asset, dying ahead of its n-th call; gives the calls that it made or tried."""

    class Died(BaseException):
        """No handler of the product sees it, as none sees kill -9."""

    calls: list[str] = []

    def before(name: str, _: object) -> None:
        if name in {*CALLS, *CALLS_AFTER}:
            calls.append(name)
        if len(calls) == at:
            raise Died

    def before_embeddings(name: str, arguments: object) -> None:
        if name == "save_job_results":  # `finish` of batches is not that of jobs
            before(name, arguments)

    ledger = patient.services.ledger
    mortal = replace(
        ledger,
        embedding_jobs=Watched(ledger.embedding_jobs, before),
        embeddings=Watched(ledger.embeddings, before_embeddings),
    )
    with suppress(Died):
        patient.step("embeddings", document, "run", ledger=mortal)
    return calls


@pytest.mark.parametrize("at", moments(range(1, len(CALLS) + 2)))
def test_dying_anywhere_while_ordering_orders_once(patient: Deployment, openai: OpenAIServer, at: int):
    """Among them: the service has the order, and the ledger does not know it."""
    document = patient.upload(TABLE, economy=True).document_id
    for step in ("parsed_rows", "batches"):
        patient.step(step, document, "run")
    assert dying_step(patient, document, at) == CALLS[:at]
    assert patient.process(document).waiting_reason
    openai.batches.complete()
    assert patient.process(document).status == "completed"
    assert (len(openai.batches.all), openai.batches.inputs, openai.stats.inputs) == (1, 10, 0)


@pytest.mark.parametrize("at", moments(range(1, len(CALLS_AFTER) + 2)))
def test_dying_anywhere_while_collecting_keeps_and_counts_each_answer_once(
    patient: Deployment, openai: OpenAIServer, monkeypatch: pytest.MonkeyPatch, at: int
):
    monkeypatch.setattr(embedding_jobs, "STORE_BATCH_SIZE", 4)
    document = order(patient).document_id
    openai.batches.complete()
    for step in ("parsed_rows", "batches"):
        patient.step(step, document, "run")
    assert dying_step(patient, document, at) == CALLS_AFTER[:at]
    version = patient.process(document)
    assert (version.result["embeddedInputs"], version.result["tokens"]) == (10, openai.batches.tokens)
    half = openai.batches.tokens * PRICES["text-embedding-3-small"] / 1e6 / 2
    assert version.result["costUsd"] == pytest.approx(half)
    assert openai.stats.inputs == 0


def test_dying_while_an_order_is_collected_keeps_and_counts_each_answer_once(
    patient: Deployment, openai: OpenAIServer, monkeypatch: pytest.MonkeyPatch
):
    """The second part of an order cannot be kept; the run after it takes up the whole order again."""
    monkeypatch.setattr(embedding_jobs, "STORE_BATCH_SIZE", 4)
    version = order(patient)
    openai.batches.complete()
    ledger = patient.services.ledger
    failing = FailsAt(2, TransientError("The database did not answer"), ["save_job_results"])
    watched = replace(ledger, embeddings=Watched(ledger.embeddings, failing))
    version = patient.process(version.document_id, ledger=watched)
    assert (version.status, failing.calls) == ("completed", 5)  # 4, then not; then 4, 4 and 2
    assert (version.result["embeddedInputs"], version.result["tokens"]) == (10, openai.batches.tokens)
    assert openai.stats.inputs == 0


def test_a_large_document_is_ordered_in_several_files_and_goes_on_after_the_last(
    patient: Deployment, openai: OpenAIServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(job_records, "job_ranges", lambda sizes: job_ranges(sizes, max_inputs=4))
    openai.batches.file_inputs = 4
    version = order(patient)
    assert "10 texts at the lower price (3 batch jobs" in version.waiting_reason
    _, *others = openai.batches.all.values()
    for batch in others:
        batch.status = "held"
    openai.batches.complete()
    assert tick(patient) == "Embedding jobs under way: 2, ended: 1; documents queued again: 0"
    for batch in others:
        batch.status = "validating"
    openai.batches.complete()
    assert tick(patient) == "Embedding jobs under way: 0, ended: 2; documents queued again: 1"
    version = patient.process(version.document_id)
    assert (version.status, openai.batches.inputs, openai.stats.inputs) == ("completed", 10, 0)


def test_a_newer_version_uses_what_an_overtaken_one_had_ordered(patient: Deployment, openai: OpenAIServer):
    """The first version's ten texts are paid; the second one waits for them, and orders its two new ones."""
    first = order(patient)
    more = items(*[f"item{n}" for n in range(10)], "anvil", "bellows")
    second = order(patient, more, first.document_id)
    assert "10 texts" in second.waiting_reason
    openai.batches.complete()
    tick(patient)
    second = patient.process(first.document_id)
    assert "2 texts" in second.waiting_reason
    openai.batches.complete()
    tick(patient)
    second = patient.process(first.document_id)
    assert (second.status, openai.batches.inputs, openai.stats.inputs) == ("completed", 12, 0)
    assert second.result["embeddedInputs"] == 2


@pytest.mark.parametrize("kind", ["garbage", "truncated", "reset_before", "reset_after", "unavailable", "rate_limit"])
def test_a_service_that_is_unwell_leaves_the_document_waiting(patient: Deployment, openai: OpenAIServer, kind: str):
    """Law 8, in the sensor: trouble ends no order; the next look comes later."""
    version = order(patient)
    openai.batches.complete()
    openai.faults.extend([Fault(kind, "batches.retrieve")] * 3)
    assert tick(patient) == "Embedding jobs under way: 0, ended: 0; documents queued again: 0"
    (row,) = patient.sql("SELECT poll_count, extract(epoch FROM next_poll_at - now()) AS left FROM embedding_jobs")
    assert row["poll_count"] == 1
    assert INITIAL_POLL_INTERVAL_SECONDS < row["left"] <= 2 * INITIAL_POLL_INTERVAL_SECONDS
    assert patient.services.ledger.documents.get(version.document_id, 1).waiting_reason
    assert tick(patient) == "Embedding jobs under way: 0, ended: 1; documents queued again: 1"


def test_a_key_that_was_revoked_while_a_document_waits_fails_it_and_the_retry_pays_nothing_twice(
    patient: Deployment, openai: OpenAIServer
):
    """Nobody would look into a sensor's log; the document says it."""
    version = order(patient)
    openai.faults.append(Fault("wrong_key", always=True))
    tick(patient)
    version = patient.process(version.document_id)
    assert (version.status, version.waiting_reason) == ("failed", None)
    assert "does not accept OPENAI_API_KEY" in version.error
    openai.faults.clear()

    patient.services.ledger.documents.retry(version.document_id)
    assert patient.process(version.document_id).waiting_reason
    assert states(patient) == ["submitted"]
    openai.batches.complete()
    assert tick(patient) == "Embedding jobs under way: 0, ended: 1; documents queued again: 1"
    assert patient.process(version.document_id).status == "completed"
    assert (len(openai.batches.all), openai.batches.inputs, openai.stats.inputs) == (1, 10, 0)


def test_a_document_that_waits_is_told_when_the_settings_name_another_embedder(
    patient: Deployment, openai: OpenAIServer
):
    """Nobody waits for ever for an order that this deployment does not know any more."""
    version = order(patient)
    orders_of_openai = patient.services.embedder
    patient.services.__dict__["embedder"] = WordEmbedder()
    tick(patient)
    version = patient.process(version.document_id)
    assert (version.status, "set it back" in version.error) == ("failed", True)
    patient.services.__dict__["embedder"] = orders_of_openai
    openai.batches.complete()
    patient.services.ledger.documents.retry(version.document_id)
    assert patient.process(version.document_id).status == "completed"
    assert openai.stats.inputs == 0


def test_a_file_that_waits_is_uploaded_again_not_to_wait(patient: Deployment, openai: OpenAIServer):
    """Uploading the same file once more is no new version, unless that is what is asked for."""
    waiting = order(patient)
    assert patient.upload(TABLE, waiting.document_id, economy=True).version == 1
    second = patient.process(patient.upload(TABLE, waiting.document_id, economy=False).document_id)
    assert (second.version, second.status, openai.stats.inputs) == (2, "completed", 10)
    assert patient.upload(TABLE, waiting.document_id, economy=True).version == 2


def test_an_order_needs_an_embedder_that_takes_one(rowline: Deployment):
    with pytest.raises(InvalidRequest, match="has no batch jobs at a lower price; upload without --economy"):
        rowline.upload(TABLE, economy=True)


def test_a_document_whose_texts_are_all_known_orders_nothing(patient: Deployment, openai: OpenAIServer):
    patient.index(TABLE)
    version = patient.process(patient.upload(TABLE, economy=True).document_id)
    assert (version.status, states(patient), openai.batches.all) == ("completed", [], {})


def test_a_service_without_a_batch_api_is_named(patient: Deployment, openai: OpenAIServer):
    """Many servers that speak the embeddings API have no files and no batches."""
    openai.faults.extend([Fault("missing", "batches.list")])
    version = order(patient)
    assert version.status == "failed"
    assert "has no Batch API" in version.error
