"""Orders as the service sees them: their lines, their key, and what is read of their outcome."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product

import numpy as np
import pytest

from domain.errors import PermanentError, TransientError
from resources.embedders import batch_api
from resources.embedders.openai import OpenAIEmbedder
from resources.embedders.protocol import JobState
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai_batches import Batches
from tests.stand_ins.openai_embeddings import REFUSED_MARK, Refusal, vector
from tests.stand_ins.openai_server import OpenAIServer

Connect = Callable[..., OpenAIEmbedder]
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = {"0-aa": "anvil", "1-bb": "보험", "2-cc": 'tab\tquote" nul\x00'}


def placed(embedder: OpenAIEmbedder, key: str = "doc:1:1", since: datetime = LONG_AGO) -> str:
    service_id = embedder.jobs.submit(key, since, TEXTS.items)
    assert service_id is not None
    return service_id


def test_an_order_is_a_line_a_text_with_our_key_in_the_batch(connect: Connect, server: OpenAIServer) -> None:
    service_id = placed(connect(dimension=32))
    batch = server.batches.all[service_id]
    assert batch.metadata == {"rowline_order": "doc:1:1"}
    lines = [json.loads(line) for line in server.batches.files[batch.input_file_id].splitlines()]
    body = {"model": "text-embedding-3-small", "encoding_format": "base64", "dimensions": 32}
    assert lines == [
        {"custom_id": name, "method": "POST", "url": "/v1/embeddings", "body": body | {"input": text}}
        for name, text in TEXTS.items()
    ]


def test_the_outcome_is_told_by_name_with_each_texts_own_tokens(openai: OpenAIEmbedder, server: OpenAIServer) -> None:
    service_id = placed(openai)
    assert openai.jobs.state(service_id) == JobState(ended=False)
    server.batches.complete()
    done = {one.name: one for one in openai.jobs.results(openai.jobs.state(service_id))}
    assert done.keys() == TEXTS.keys()
    for name, text in TEXTS.items():
        assert np.array_equal(done[name].vector, vector(text, 1536))
    assert sum(one.tokens for one in done.values()) == server.batches.tokens


def test_an_order_is_found_on_any_page_of_the_accounts_batches(
    openai: OpenAIEmbedder, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_api, "BATCH_PAGE_SIZE", 2)
    first = placed(openai, "doc:1:1")
    for number in range(2, 6):
        placed(openai, f"doc:1:{number}")
    assert placed(openai, "doc:1:1") == first
    assert len(server.batches.all) == 5


def test_batches_older_than_the_order_are_not_paged_through(
    openai: OpenAIEmbedder, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account may hold thousands of batches of others."""
    monkeypatch.setattr(batch_api, "BATCH_PAGE_SIZE", 1)
    for number in range(3):
        placed(openai, f"old:1:{number}")
    for batch in server.batches.all.values():
        batch.created_at -= 2 * 3600
    server.faults.extend([Fault("none", "batches.list"), Fault("forbidden", "batches.list")])
    placed(openai, since=datetime.now(UTC))
    assert len(server.batches.all) == 4


def test_no_texts_no_order(openai: OpenAIEmbedder, server: OpenAIServer) -> None:
    """Another document paid for all of them meanwhile."""
    assert openai.jobs.submit("doc:1:1", LONG_AGO, list) is None
    assert (server.batches.files, server.batches.all) == ({}, {})


def test_texts_are_read_once_also_where_the_upload_is_repeated(openai: OpenAIEmbedder, server: OpenAIServer) -> None:
    readings = []

    def texts() -> Iterator[tuple[str, str]]:
        readings.append(1)
        yield from TEXTS.items()

    server.faults.extend([Fault("reset_before", "files.create"), Fault("reset_after", "files.create")])
    openai.jobs.submit("doc:1:1", LONG_AGO, texts)
    assert len(readings) == 1
    assert len(set(server.batches.files.values())) == 1


def test_an_order_that_the_service_does_not_take_is_no_row_error(openai: OpenAIEmbedder, server: OpenAIServer) -> None:
    server.batches.file_bytes = 100
    with pytest.raises(PermanentError, match="rejects the job doc:1:1: File is empty or too large"):
        placed(openai)


def test_refused_inputs_are_left_out_of_the_outcome(openai: OpenAIEmbedder, server: OpenAIServer) -> None:
    service_id = openai.jobs.submit("doc:1:1", LONG_AGO, lambda: [("0-aa", REFUSED_MARK), ("1-bb", "anvil")])
    server.batches.complete()
    done = list(openai.jobs.results(openai.jobs.state(str(service_id))))
    assert [one.name for one in done] == ["1-bb"]


@pytest.mark.parametrize("kind", ["truncated", "reset_after", "timeout"])
def test_an_order_whose_answer_was_lost_is_found_by_the_repeat(
    connect: Connect, server: OpenAIServer, kind: str
) -> None:
    server.faults.append(Fault(kind, "batches.create", always=True))
    assert placed(connect(max_retries=1, timeout=0.2)) == "batch_0000"
    assert len(server.batches.all) == 1


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        *product(["batches.list", "files.create"], ["garbage", "truncated", "reset_after", "unavailable", "timeout"]),
        *product(["batches.create"], ["garbage", "reset_before", "unavailable"]),
    ],
)
def test_trouble_that_stays_is_transient(connect: Connect, server: OpenAIServer, operation: str, kind: str) -> None:
    server.faults.append(Fault(kind, operation, always=True))
    with pytest.raises(TransientError, match="The embedding service"):
        placed(connect(max_retries=1, timeout=0.2))
    server.faults.clear()
    placed(connect())
    assert len(server.batches.all) == 1


@pytest.mark.parametrize("kind", ["garbage", "truncated", "reset_before", "timeout"])
def test_an_outcome_that_cannot_be_read_whole_is_transient(connect: Connect, server: OpenAIServer, kind: str) -> None:
    embedder = connect(max_retries=1, timeout=0.2)
    service_id = placed(embedder)
    server.batches.complete()
    state = embedder.jobs.state(service_id)
    server.faults.append(Fault(kind, "files.content", always=True))
    with pytest.raises(TransientError):
        list(embedder.jobs.results(state))


def test_the_stand_in_refuses_what_the_service_refuses() -> None:
    batches = Batches()
    for purpose, name, content in [
        ("assistants", "a.jsonl", b"{}"),
        ("batch", "a.txt", b"{}"),
        ("batch", "a.jsonl", b""),
    ]:
        with pytest.raises(Refusal):
            batches.upload(purpose, name, content)
    line = {"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {}}
    for lines, code in [
        ([line, line], "duplicate_custom_id"),
        ([line | {"custom_id": "a" * 65}], "duplicate_custom_id"),
        ([line | {"url": "/v1/responses"}], "mismatched_endpoint"),
    ]:
        batches.reset()
        file = batches.upload("batch", "a.jsonl", "\n".join(map(json.dumps, lines)).encode())
        asked = {"input_file_id": file["id"], "endpoint": "/v1/embeddings", "completion_window": "24h"}
        batch = batches.create(asked)
        batches.complete()
        messages = batches.retrieve(batch["id"])
        assert (messages["status"], messages["errors"]["data"][0]["code"]) == ("failed", code)
        with pytest.raises(Refusal):
            batches.create(asked | {"completion_window": "1h"})
