"""Law 5: a crash costs at most what was in flight; what was paid for is never paid for again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
import pytest

from domain.errors import PermanentError, TransientError
from operations.services import Services
from resources.embedders.openai import PRICES, OpenAIEmbedder
from resources.embedders.protocol import EmbeddingResult
from tests.grids import moments
from tests.laws.deployment import Deployment, items
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai_embeddings import REFUSED_MARK
from tests.stand_ins.openai_server import KEY, OpenAIServer

TABLE = items(*[f"item{n}" for n in range(40)])  # ten batches of four, five requests of eight


@pytest.fixture
def paid(rowline: Deployment, openai: OpenAIServer) -> Deployment:
    """The deployment with OpenAI's client speaking to the stand-in, without waiting between repeats."""
    embedder = OpenAIEmbedder(
        KEY, openai.base_url, dimension=32, in_flight=2, request_inputs=8, max_retries=1, sleep=lambda _: None
    )
    services: Services = rowline.services
    services.__dict__["embedder"] = embedder
    services.__dict__.pop("uploads", None)
    return rowline


def test_a_request_that_fails_in_the_middle_keeps_the_groups_that_were_paid(paid: Deployment, openai: OpenAIServer):
    """Of five requests one fails for good: the others are kept, the retry sends the missing eight inputs only."""
    document = paid.upload(TABLE).document_id
    openai.faults.extend([Fault("none"), Fault("none"), Fault("quota_full")])
    version = paid.process(document)
    assert version.status == "failed"
    assert "no quota left" in version.error
    kept = paid.sql("SELECT count(*) AS n FROM embeddings")[0]["n"]
    assert kept == openai.stats.inputs >= 8

    paid.services.ledger.documents.retry(document)
    version = paid.process(document)
    assert version.status == "completed"
    assert openai.stats.inputs == 40
    assert version.result["embeddedInputs"] == 40
    assert version.result["tokens"] == openai.stats.tokens
    assert set(paid.stored()) == paid.promised()


@pytest.mark.parametrize("fails_at", [1, 3, 5])
def test_inputs_of_finished_batches_are_never_sent_again(paid: Deployment, openai: OpenAIServer, fails_at: int):
    """The k-th request breaks until the run gives up; the bill after the next run is the file's inputs, once each."""
    document = paid.upload(TABLE).document_id
    # a broken answer is repeated once by the client, and the step is tried three times
    openai.faults.extend([Fault("none")] * (fails_at - 1) + [Fault("server_error")] * 40)
    assert paid.process(document).status == "failed"
    openai.faults.clear()
    finished = sum(batch["embeddedInputs"] for batch in paid.batches(paid.services.ledger.documents.latest(document)))
    assert finished == openai.stats.inputs

    paid.services.ledger.documents.retry(document)
    assert paid.process(document).status == "completed"
    assert openai.stats.inputs == 40


@pytest.fixture
def small_requests(paid: Deployment, openai: OpenAIServer) -> Deployment:
    """A group of eight texts takes four requests of two, as long texts do."""
    paid.services.__dict__["embedder"] = OpenAIEmbedder(
        KEY, openai.base_url, dimension=32, in_flight=1, request_inputs=2, max_retries=1, sleep=lambda _: None
    )
    return paid


@pytest.mark.parametrize("fails_at", moments(range(1, 7)))
def test_a_request_that_fails_in_the_middle_of_a_group_costs_none_of_those_before_it(
    small_requests: Deployment, openai: OpenAIServer, fails_at: int
):
    """Every answer is committed before the next request goes out, also within a batch that is not finished."""
    document = small_requests.upload(TABLE).document_id
    openai.faults.extend([Fault("none")] * (fails_at - 1) + [Fault("quota_full")] * 2)
    assert small_requests.process(document).status == "failed"
    assert small_requests.sql("SELECT count(*) AS n FROM embeddings") == [{"n": openai.stats.inputs}]
    openai.faults.clear()

    small_requests.services.ledger.documents.retry(document)
    version = small_requests.process(document)
    assert version.status == "completed"
    assert (openai.stats.inputs, openai.stats.largest) == (40, 2)
    assert (version.result["embeddedInputs"], version.result["tokens"]) == (40, openai.stats.tokens)


@pytest.mark.parametrize("answers", moments(range(1, 6)))
def test_dying_between_two_requests_of_a_group_pays_none_of_them_again(
    small_requests: Deployment, openai: OpenAIServer, answers: int
):
    """Death comes when an answer was kept and the next request is about to be sent."""

    class Died(BaseException):
        """No handler of the product sees it, as none sees kill -9."""

    class Mortal:
        def __init__(self, left: int) -> None:
            self.inner, self.left = small_requests.services.embedder, left
            self.model, self.jobs = self.inner.model, None

        def embed_batches(self, texts: Sequence[str]) -> Iterator[EmbeddingResult]:
            for answer in self.inner.embed_batches(texts):
                yield answer
                self.left -= 1
                if self.left <= 0:
                    raise Died

    document = small_requests.upload(TABLE).document_id
    for step in ("parsed_rows", "batches"):
        small_requests.step(step, document, "run")
    with pytest.raises(Died):
        small_requests.step("embeddings", document, "run", embedder=Mortal(answers))
    paid_before = openai.stats.inputs
    assert small_requests.sql("SELECT count(*) AS n FROM embeddings") == [{"n": paid_before}]
    assert 2 * answers <= paid_before < 40

    version = small_requests.process(document)
    assert (version.status, openai.stats.inputs) == ("completed", 40)
    assert version.result["tokens"] == openai.stats.tokens


def test_a_text_refused_in_the_middle_of_a_group_costs_nothing_and_the_others_once(
    small_requests: Deployment, openai: OpenAIServer
):
    """The quota ends after the refusal: what was refused is asked for again by the retry, and not billed."""
    table = items(*[f"item{n}" if n != 3 else REFUSED_MARK for n in range(16)])
    document = small_requests.upload(table).document_id
    # the first pair; the second pair and its halves, one of them good; the third pair; then no more
    openai.faults.extend([Fault("none")] * 5 + [Fault("quota_full")] * 2)
    assert small_requests.process(document).status == "failed"
    openai.faults.clear()
    small_requests.services.ledger.documents.retry(document)
    version = small_requests.process(document)
    assert (version.status, version.result["errorRows"]) == ("completed", 1)
    assert openai.stats.inputs == 15


def test_an_answer_that_is_lost_on_its_way_is_all_that_is_paid_twice(small_requests: Deployment, openai: OpenAIServer):
    """The service has billed it and we cannot know: one request of two, whatever the size of the group."""
    openai.faults.extend([Fault("none")] * 2 + [Fault("truncated")])
    version = small_requests.process(small_requests.upload(TABLE).document_id)
    assert (version.status, openai.stats.inputs) == ("completed", 42)
    assert version.result["embeddedInputs"] == 40


def test_a_step_that_is_tried_again_within_its_run_sends_only_what_is_missing(paid: Deployment, openai: OpenAIServer):
    """B3's retries: the run goes on by itself, and pays nothing twice."""
    document = paid.upload(TABLE).document_id
    openai.faults.extend([Fault("none")] * 2 + [Fault("unavailable")] * 4)
    version = paid.process(document)
    assert (version.status, version.error) == ("completed", None)
    assert openai.stats.inputs == 40


def test_as_many_requests_are_under_way_as_are_allowed_and_no_more(
    paid: Deployment, openai: OpenAIServer, monkeypatch: pytest.MonkeyPatch
):
    """B3, BATCHES_IN_FLIGHT: what a crash can cost is bounded by it."""
    monkeypatch.setattr(openai, "fixed_ms", 20)
    paid.process(paid.upload(items(*[f"thing{n}" for n in range(120)])).document_id)
    assert openai.stats.at_once == 2
    assert openai.stats.largest == 8
    assert openai.stats.requests == 15


def test_the_bill_is_right_after_repeats_cuts_and_refusals(paid: Deployment, openai: OpenAIServer):
    """Tokens and cost in status and metadata are those of the answers we got; what is not known is not 0."""
    table = items(*[f"item{n}" if n != 5 else REFUSED_MARK for n in range(16)])
    paid.services.embedder.embed(["before the first success a refusal is checked with a word of our own"])
    openai.reset()
    openai.faults.extend([Fault("rate_limit"), Fault("too_many_tokens"), Fault("server_error")])
    run = paid.run(paid.upload(table).document_id)
    (version,) = paid.services.ledger.documents.list_all()
    assert (version.status, openai.stats.inputs) == ("completed", 15)
    assert version.result["tokens"] == openai.stats.tokens
    price = PRICES["text-embedding-3-small"] / 1e6
    assert version.result["costUsd"] == pytest.approx(openai.stats.tokens * price)
    (event,) = [e for e in run.get_asset_materialization_events() if e.asset_key.path == ["embeddings"]]
    assert event.materialization.metadata["cost_usd"].value == pytest.approx(openai.stats.tokens * price)
    assert sum(batch["tokens"] for batch in paid.batches(version)) == openai.stats.tokens


def test_a_model_without_a_known_price_costs_an_unknown_sum_and_not_nothing(
    paid: Deployment, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(OpenAIEmbedder, "price_per_million_tokens", lambda _: None)
    run = paid.run(paid.upload(items("anvil")).document_id)
    (version,) = paid.services.ledger.documents.list_all()
    assert (version.status, version.result["costUsd"]) == ("completed", None)
    told = {e.asset_key.path[-1]: e.materialization.metadata for e in run.get_asset_materialization_events()}
    assert told["embeddings"]["cost_usd"].value == "the price of the model is not known"
    assert told["batches"]["estimated_cost_usd"].value == "the price of the model is not known"


def test_after_a_request_failed_for_good_no_new_ones_are_begun(rowline: Deployment):
    """A wrong key or an empty account is not asked forty times."""
    embedder = rowline.services.embedder
    embedder.fail_at, embedder.failure = 1, PermanentError("The account is empty")  # type: ignore[attr-defined]
    version = rowline.process(rowline.upload(items(*[f"thing{n}" for n in range(200)])).document_id)
    assert (version.status, version.error) == ("failed", "The account is empty")
    # a group holds eight of the two hundred; what was handed to the two threads before the failure may go on
    assert embedder.calls <= 6  # type: ignore[attr-defined]


def test_another_documents_payment_is_used_also_when_it_came_between_plan_and_request(rowline: Deployment):
    """Two documents with the same rows, planned side by side: whoever comes second finds the texts paid."""
    first, second = rowline.upload(items("anvil", "bellows")), rowline.upload(items("anvil", "bellows"))
    for version in (first, second):
        for step in ("parsed_rows", "batches"):
            rowline.step(step, version.document_id, f"run of {version.document_id}")
    for version in (first, second):
        rowline.step("embeddings", version.document_id, f"run of {version.document_id}")
    assert len(rowline.services.embedder.asked) == 2  # type: ignore[attr-defined]


def test_an_embedding_that_could_not_be_kept_at_once_is_told_as_transient(rowline: Deployment):
    """The database went away after the payment: the step is tried again, nothing is half written."""
    from dataclasses import replace

    from tests.laws.doubles import FailsAt, Watched

    ledger = rowline.services.ledger
    failing = FailsAt(2, TransientError("The database did not answer"), ["save_response"])
    uploaded = rowline.upload(TABLE)
    version = rowline.process(
        uploaded.document_id, ledger=replace(ledger, embeddings=Watched(ledger.embeddings, failing))
    )
    assert version.status == "completed"
    assert set(rowline.stored()) == rowline.promised()
    assert len(rowline.services.embedder.asked) == 48  # type: ignore[attr-defined]  # one group of eight twice


def test_a_group_is_kept_and_its_batches_are_finished_in_one_transaction(
    rowline: Deployment, monkeypatch: pytest.MonkeyPatch
):
    """Found by kill -9: embeddings committed ahead of their batches lose the record of what they cost."""
    from resources.ledger.indexing import embeddings

    uploaded = rowline.upload(items("anvil", "bellows"))
    for step in ("parsed_rows", "batches"):
        rowline.step(step, uploaded.document_id, "run")
    monkeypatch.setattr(embeddings, "FINISH", "SELECT 1 / 0")
    with pytest.raises(psycopg.errors.DivisionByZero):
        rowline.step("embeddings", uploaded.document_id, "run")
    assert rowline.sql("SELECT count(*) AS n FROM embeddings") == [{"n": 0}]
