"""An order that is cancelled: ended at the service, and nothing of it kept there, whatever gets in the way."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from domain.errors import ConfigurationError, PermanentError, TransientError
from resources.embedders import batch_api
from resources.embedders.openai import OpenAIEmbedder
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai_batches import Batches
from tests.stand_ins.openai_embeddings import REFUSED_MARK, Refusal
from tests.stand_ins.openai_server import OpenAIServer

Connect = Callable[..., OpenAIEmbedder]
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "doc_1:1:1"
TEXTS = [("0-aa", "anvil"), ("1-bb", REFUSED_MARK), ("2-cc", "chisel")]


def placed(embedder: OpenAIEmbedder, key: str = KEY) -> str:
    service_id = embedder.jobs.submit(key, LONG_AGO, lambda: TEXTS)
    assert service_id is not None
    return service_id


def cancel(embedder: OpenAIEmbedder, service_id: str | None, key: str = KEY) -> bool:
    return embedder.jobs.cancel(key, LONG_AGO, service_id)


def test_an_order_under_way_is_ended_and_its_texts_go_at_once(openai: OpenAIEmbedder, server: OpenAIServer) -> None:
    service_id = placed(openai)
    other = placed(openai, "doc_2:1:1")
    assert not cancel(openai, service_id), "what was done by now becomes a file within ten minutes"
    assert (server.batches.all[service_id].status, len(server.batches.files)) == ("cancelling", 1)
    assert not cancel(openai, service_id)
    server.batches.stop(after=3)
    assert len(server.batches.files) == 3
    assert cancel(openai, service_id)
    assert [*server.batches.files] == [server.batches.all[other].input_file_id]
    assert server.batches.all[other].status == "validating"


@pytest.mark.parametrize("status", ["completed", "expired", "failed"])
def test_of_an_order_that_has_ended_all_files_go(openai: OpenAIEmbedder, server: OpenAIServer, status: str) -> None:
    service_id = placed(openai)
    server.batches.complete(status, after=2)
    assert cancel(openai, service_id)
    assert server.batches.files == {}
    assert server.batches.all[service_id].status == status
    assert cancel(openai, service_id), "twice is once"


def test_an_order_that_was_perhaps_placed_is_found_by_its_key(openai: OpenAIEmbedder, server: OpenAIServer) -> None:
    service_id = placed(openai)
    cancel(openai, None)
    assert (server.batches.all[service_id].status, server.batches.files) == ("cancelling", {})
    assert cancel(openai, None, "doc_3:1:1"), "never placed"


def test_texts_that_no_batch_names_go_too(
    connect: Connect, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upload was repeated, as its answer was lost."""
    monkeypatch.setattr(batch_api, "FILE_PAGE_SIZE", 1)
    embedder = connect(max_retries=2)
    server.faults.extend([Fault("reset_after", "files.create"), Fault("reset_after", "files.create")])
    service_id = placed(embedder)
    kept = placed(embedder, "doc_2:1:1")
    assert len(server.batches.files) == 4
    cancel(embedder, service_id)
    assert [*server.batches.files] == [server.batches.all[kept].input_file_id]


def test_a_file_that_is_still_read_is_deleted_later(openai: OpenAIEmbedder, server: OpenAIServer) -> None:
    server.batches.holds_input = True
    service_id = placed(openai)
    assert not cancel(openai, service_id)
    assert len(server.batches.files) == 1
    server.batches.stop()
    assert cancel(openai, service_id)
    assert server.batches.files == {}


def test_an_order_that_has_ended_is_not_gone_while_its_file_is_held(
    openai: OpenAIEmbedder, server: OpenAIServer
) -> None:
    """Another batch reads it: by hand, or of a try whose answer was lost."""
    server.batches.holds_input = True
    service_id = placed(openai)
    server.batches.complete()
    file = server.batches.all[service_id].input_file_id
    server.batches.create({"input_file_id": file, "endpoint": "/v1/embeddings", "completion_window": "24h"})
    assert not cancel(openai, service_id)
    assert [*server.batches.files] == [file]
    server.batches.complete()
    assert cancel(openai, service_id)
    assert file not in server.batches.files


def test_an_order_the_service_has_forgotten_is_gone(openai: OpenAIEmbedder, server: OpenAIServer) -> None:
    service_id = placed(openai)
    server.batches.reset()
    assert cancel(openai, service_id)


@pytest.mark.parametrize("operation", ["batches.retrieve", "batches.cancel", "files.list", "files.delete"])
@pytest.mark.parametrize("kind", ["garbage", "truncated", "reset_before", "reset_after", "unavailable", "rate_limit"])
def test_trouble_on_the_way_is_repeated(
    openai: OpenAIEmbedder, server: OpenAIServer, operation: str, kind: str
) -> None:
    service_id = placed(openai)
    server.faults.append(Fault(kind, operation))
    cancel(openai, service_id)
    assert (server.batches.all[service_id].status, server.batches.files) == ("cancelling", {})


@pytest.mark.parametrize("operation", ["batches.retrieve", "batches.cancel", "files.list", "files.delete"])
@pytest.mark.parametrize(
    ("kind", "failure"),
    [("unavailable", TransientError), ("garbage", TransientError), ("forbidden", ConfigurationError)],
)
def test_trouble_that_stays_is_told(
    connect: Connect, server: OpenAIServer, operation: str, kind: str, failure: type[Exception]
) -> None:
    """Never taken for an order that is gone."""
    embedder = connect(max_retries=1)
    service_id = placed(embedder)
    server.faults.append(Fault(kind, operation, always=True))
    with pytest.raises(failure, match="The embedding service"):
        cancel(embedder, service_id)


def test_a_service_without_files_says_so(connect: Connect, server: OpenAIServer) -> None:
    embedder = connect()
    service_id = placed(embedder)
    server.faults.append(Fault("missing", "files.list", always=True))
    with pytest.raises(PermanentError, match="has no Batch API"):
        cancel(embedder, service_id)


def test_an_order_that_ends_just_before_it_is_cancelled(openai: OpenAIEmbedder, server: OpenAIServer) -> None:
    service_id = placed(openai)
    cancelled = server.batches.cancel

    def ended_first(batch_id: str) -> dict[str, object]:
        server.batches.complete()
        return cancelled(batch_id)

    server.batches.cancel = ended_first  # type: ignore[method-assign]
    assert cancel(openai, service_id)
    assert (server.batches.all[service_id].status, server.batches.files) == ("completed", {})


def test_the_stand_in_refuses_to_cancel_or_delete_what_the_service_refuses() -> None:
    batches = Batches()
    file = batches.upload("batch", "a.jsonl", b'{"custom_id": "a", "method": "POST", "url": "/v1/embeddings"}')
    asked = {"input_file_id": file["id"], "endpoint": "/v1/embeddings", "completion_window": "24h"}
    batch = batches.create(asked)
    with pytest.raises(Refusal, match="is used by a batch"):
        batches.delete(file["id"])
    batches.complete("failed")
    for refused in (lambda: batches.cancel(batch["id"]), lambda: batches.cancel("x"), lambda: batches.delete("x")):
        with pytest.raises(Refusal):
            refused()
    batches.delete(file["id"])
    with pytest.raises(Refusal):
        batches.delete(file["id"])
    with pytest.raises(Refusal):
        batches.file_page("batch", None, 0)
    assert batches.upload("batch", "b.jsonl", b"{}")["id"] != file["id"]
