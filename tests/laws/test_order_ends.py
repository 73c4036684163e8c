"""How orders end at the service, and what becomes of their documents: none is locked, nothing is paid twice."""

from __future__ import annotations

import orjson
import pytest

from resources.embedders.openai import PRICES
from tests.laws.deployment import Deployment, items
from tests.laws.patience import TABLE, embed_by, order, states, tick
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai_embeddings import REFUSED_MARK
from tests.stand_ins.openai_server import OpenAIServer


def test_what_an_expired_order_did_not_reach_is_embedded_at_the_usual_price(patient: Deployment, openai: OpenAIServer):
    version = order(patient)
    openai.batches.complete("expired", after=3)
    version = patient.process(version.document_id)
    assert (version.status, openai.batches.inputs, openai.stats.inputs) == ("completed", 3, 7)
    tokens = openai.batches.tokens + openai.stats.tokens
    assert version.result["tokens"] == tokens
    paid = (tokens - openai.batches.tokens / 2) * PRICES["text-embedding-3-small"] / 1e6
    assert version.result["costUsd"] == pytest.approx(paid)


def test_a_text_refused_in_an_order_is_a_row_error_with_its_reason(patient: Deployment, openai: OpenAIServer):
    """The usual request tells why: it costs nothing, as refused inputs are not billed."""
    version = order(patient, items("anvil", REFUSED_MARK, "bellows"))
    openai.batches.complete()
    version = patient.process(version.document_id)
    assert (version.status, version.result["errorRows"]) == ("completed", 1)
    assert "is invalid" in version.result["errors"][0]["message"]
    assert openai.batches.inputs == 2


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        ({"status": "failed", "reason": "Enqueued token limit reached for text-embedding-3-small"}, "token limit"),
        ({"status": "cancelled", "after": 4}, "cancelled"),
    ],
)
def test_an_order_that_was_refused_fails_the_document_and_the_retry_pays_only_the_rest(
    patient: Deployment, openai: OpenAIServer, end: dict[str, object], sentence: str
):
    """Nobody pays the full price without having said so: the retry does."""
    version = order(patient)
    openai.batches.complete(**end)
    tick(patient)
    version = patient.process(version.document_id)
    assert version.status == "failed"
    assert "10 texts at the lower price" in version.error
    assert sentence in version.error
    patient.services.ledger.documents.retry(version.document_id)
    version = patient.process(version.document_id)
    assert (version.status, openai.stats.inputs) == ("completed", 10 - openai.batches.inputs)


def test_an_order_the_service_has_forgotten_fails_with_a_working_retry(patient: Deployment, openai: OpenAIServer):
    version = order(patient)
    openai.batches.reset()
    version = patient.process(version.document_id)
    assert (version.status, "does not know the job any more" in version.error) == ("failed", True)
    patient.services.ledger.documents.retry(version.document_id)
    assert patient.process(version.document_id).status == "completed"


def test_a_document_goes_on_with_another_model_and_leaves_the_orders_of_the_one_before(
    patient: Deployment, openai: OpenAIServer
):
    """EMBEDDING_DIMENSIONS changed while it waited: what its first order brings cannot be read, nor waited for."""
    first = order(patient)
    openai.batches.complete()
    embed_by(patient, openai, dimension=64)
    assert "upload the file again as a new version" in patient.process(first.document_id).error

    second = order(patient, TABLE, first.document_id)
    assert "10 texts at the lower price (1 batch job" in second.waiting_reason
    held, _ = openai.batches.all.values()
    held.status = "held"  # under way again, as it were: nobody waits for it
    assert openai.batches.complete() == 1
    assert tick(patient) == "Embedding jobs under way: 1, ended: 1; documents queued again: 1"
    second = patient.process(first.document_id)
    assert (second.version, second.status, second.dimension) == (2, "completed", 64)
    assert openai.stats.inputs == 0


def lose_outcome(openai: OpenAIServer) -> None:
    (batch,) = openai.batches.all.values()
    del openai.batches.files[str(batch.output_file_id)]


def test_an_order_whose_outcome_is_gone_fails_once_and_the_retry_embeds(patient: Deployment, openai: OpenAIServer):
    """As for any order that was refused: nobody pays the usual price without having said so."""
    version = order(patient)
    openai.batches.complete()
    lose_outcome(openai)
    version = patient.process(version.document_id)
    assert (version.status, states(patient)) == ("failed", ["refused"])
    assert "the service does not have its output file any more); retry to embed the rest" in version.error
    patient.services.ledger.documents.retry(version.document_id)
    version = patient.process(version.document_id)
    assert (version.status, openai.stats.inputs) == ("completed", 10)


@pytest.mark.parametrize("economy", [True, False])
def test_an_older_versions_outcome_that_is_gone_fails_no_newer_version(
    patient: Deployment, openai: OpenAIServer, economy: bool
):
    first = order(patient)
    openai.batches.complete()
    lose_outcome(openai)
    table = items("anvil", "bellows")
    version = patient.process(patient.upload(table, first.document_id, economy=economy).document_id)
    assert (version.version, version.error, states(patient)[0]) == (2, None, "refused")
    openai.batches.complete()
    assert patient.process(first.document_id).status == "completed"
    assert openai.batches.inputs + openai.stats.inputs == 10 + 2


@pytest.mark.parametrize("operation", ["batches.retrieve", "files.content"])
def test_without_economy_a_version_goes_on_though_an_older_order_cannot_be_read_now(
    patient: Deployment, openai: OpenAIServer, operation: str
):
    """Its order stays open: who waits for it later is not told that it was refused (law 8)."""
    first = order(patient)
    openai.batches.complete()
    openai.faults.append(Fault("server_error", operation, always=True))
    version = patient.process(patient.upload(TABLE, first.document_id, economy=False).document_id)
    assert (version.version, version.status, openai.stats.inputs) == (2, "completed", 10)
    assert states(patient) == ["submitted"]


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"index": 0, "embedding": [0.0] * 32}], "usage": {"prompt_tokens": 3}},
        {"data": [{"index": 0, "embedding": [1.0] * 64}], "usage": {"prompt_tokens": 3}},
        {"data": []},
        None,
    ],
    ids=["zero", "another dimension", "no vector", "nothing"],
)
def test_an_answer_in_an_order_that_is_of_no_use_costs_the_others_nothing(
    patient: Deployment, openai: OpenAIServer, body: dict[str, object] | None
):
    """Nine texts are kept as they were paid; a usual request brings the tenth."""
    version = order(patient)
    openai.batches.complete()
    (batch,) = openai.batches.all.values()
    first, *others = openai.batches.files[str(batch.output_file_id)].splitlines(keepends=True)
    spoiled = orjson.dumps(orjson.loads(first) | {"response": {"status_code": 200, "body": body}})
    openai.batches.files[str(batch.output_file_id)] = b"".join([spoiled, b"\n", *others])
    version = patient.process(version.document_id)
    assert (version.status, openai.stats.inputs, states(patient)) == ("completed", 1, ["collected"])
    assert set(patient.stored()) == patient.promised()


@pytest.mark.parametrize("kind", ["truncated", "garbage", "reset_after", "server_error"])
def test_half_an_outcome_is_never_taken_for_the_whole(patient: Deployment, openai: OpenAIServer, kind: str):
    """Law 8: the texts that the other half paid for would be paid again."""
    version = order(patient)
    openai.batches.complete()
    openai.faults.append(Fault(kind, "files.content"))
    version = patient.process(version.document_id)
    assert (version.status, version.error, openai.stats.inputs) == ("completed", None, 0)
