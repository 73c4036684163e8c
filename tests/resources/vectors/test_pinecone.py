"""What only the store in Pinecone does: requests cut by bytes, sent side by side, and repeated by item."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from domain.errors import PermanentError, TransientError
from resources.vectors.pinecone.connection import MAX_IN_FLIGHT
from resources.vectors.pinecone.store import PineconeVectorStore
from resources.vectors.pinecone.upserts import RETRY_DELAY_SECONDS
from resources.vectors.protocol import VectorBatch
from tests.resources.vectors.conftest import Connect
from tests.stand_ins.faults import Fault
from tests.stand_ins.pinecone_server import KEY, NAME, PineconeServer

MODEL = "openai/test/3"


def ids(count: int) -> list[str]:
    return [str(UUID(int=number)) for number in range(count)]


def batch(names: Sequence[str], dimension: int = 3, **metadata: Any) -> VectorBatch:
    matrix = np.random.Generator(np.random.PCG64(5)).standard_normal((len(names), dimension), dtype=np.float32)
    return VectorBatch(names, matrix / np.linalg.norm(matrix, axis=1, keepdims=True), [metadata] * len(names))


def held(server: PineconeServer, namespace: str = "ns") -> list[str]:
    return sorted(vector_id for name, vector_id in server.index.held() if name == namespace)


# -- sizes --------------------------------------------------------------------------------------------------------


def test_requests_are_cut_by_bytes_and_nearly_full(pinecone_pauses: list[float]):
    """2 MB bind long before 1,000 vectors do; a request that is too large would be refused whole."""
    with PineconeServer(dimension=1536) as server:
        store = PineconeVectorStore(KEY, NAME, server.address)
        store.upsert(MODEL, "ns", batch(ids(400), 1536, text="값" * 300))
        store.close()
        assert len(held(server)) == 400
        assert 1_850_000 < server.counters.largest_body < 1_900_500
        assert server.counters.requests["upsert"] == math.ceil(server.counters.bytes_in["upsert"] / 1_900_000)


def test_short_vectors_are_cut_at_a_thousand(pinecone: PineconeVectorStore, server: PineconeServer):
    pinecone.upsert(MODEL, "ns", batch(ids(2_001)))
    assert server.counters.requests["upsert"] == 3
    assert len(held(server)) == 2_001


def test_numbers_arrive_as_the_same_float32_in_few_bytes(pinecone_pauses: list[float]):
    given = batch(ids(50), 1536)
    with PineconeServer(dimension=1536) as server:
        store = PineconeVectorStore(KEY, NAME, server.address)
        store.upsert(MODEL, "ns", given)
        store.close()
        arrived = np.stack([server.index._namespaces["ns"].vectors[name][0] for name in given.ids])
        assert (arrived == given.matrix).all()
        assert server.counters.bytes_in["upsert"] < 50 * 1536 * 13  # as doubles it would be 21


def test_a_proxy_with_a_smaller_limit_gets_smaller_requests(pinecone_pauses: list[float]):
    with PineconeServer(dimension=3, body_bytes=20_000) as server:
        store = PineconeVectorStore(KEY, NAME, server.address)
        store.upsert(MODEL, "ns", batch(ids(500)))
        store.close()
        assert held(server) == ids(500)


def test_requests_go_side_by_side_within_one_bound_for_the_process(pinecone_pauses: list[float]):
    with PineconeServer(dimension=3, fixed_ms=200) as server:
        stores = [PineconeVectorStore(KEY, NAME, server.address) for _ in range(2)]
        for store in stores:
            store.prepare(MODEL, 3)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda store: store.upsert(MODEL, "ns", batch(ids(10_000))), stores))
            assert 2 < server.counters.at_once <= MAX_IN_FLIGHT
            list(pool.map(lambda store: store.delete(MODEL, "ns", ids(10_000)), stores))
        assert server.counters.at_once == MAX_IN_FLIGHT
        assert server.counters.requests["delete"] == 20
        for store in stores:
            store.close()


# -- partial failures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["truncated", "garbage", "partial"])
def test_only_the_request_that_failed_is_sent_again(
    kind: str, pinecone: PineconeVectorStore, server: PineconeServer, pinecone_pauses: list[float]
):
    """What Pinecone's SDK does not repeat by itself; `partial` takes one vector fewer than it was sent."""
    server.faults.append(Fault(kind, "upsert"))
    pinecone.upsert(MODEL, "ns", batch(ids(5_000)))
    assert len(held(server)) == 5_000
    assert server.counters.requests["upsert"] == 6
    assert pinecone_pauses == [RETRY_DELAY_SECONDS]


def test_vectors_that_are_never_acknowledged_are_a_failure(pinecone: PineconeVectorStore, server: PineconeServer):
    server.faults.append(Fault("partial", "upsert", always=True))
    with pytest.raises(TransientError, match="took 1 of 2 vectors while upserting into namespace ns"):
        pinecone.upsert(MODEL, "ns", batch(ids(2)))


def test_where_nothing_comes_through_nothing_is_sent_again(
    pinecone: PineconeVectorStore, server: PineconeServer, pinecone_pauses: list[float]
):
    server.faults.append(Fault("truncated", "upsert", always=True))
    with pytest.raises(TransientError):
        pinecone.upsert(MODEL, "ns", batch(ids(3_000)))
    assert server.counters.requests["upsert"] == 3
    assert pinecone_pauses == []


def test_a_service_that_fails_often_is_not_asked_for_the_rest(pinecone: PineconeVectorStore, server: PineconeServer):
    """100 requests of ten seconds each, one after the other, would be a step that hangs."""
    server.faults.append(Fault("garbage", "upsert", always=True))
    with pytest.raises(TransientError):
        pinecone.upsert(MODEL, "ns", batch(ids(60_000)))
    assert server.counters.requests["upsert"] <= 4 + 2 * MAX_IN_FLIGHT


def test_the_one_vector_that_is_refused_is_named_and_the_others_arrive(
    pinecone: PineconeVectorStore, server: PineconeServer
):
    names = [*ids(40), "x" * 513]
    with pytest.raises(PermanentError, match=r"^Vector x{513} cannot be stored\. .*Vector ID must be 1 to 512"):
        pinecone.upsert(MODEL, "ns", batch(names))
    assert set(held(server)) >= set(ids(20))


# -- what is refused before it is sent ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "metadata", "message"),
    [
        ((0, 0, 0), {}, "all zero"),
        ((1, math.nan, 0), {}, "not finite"),
        ((1, math.inf, 0), {}, "not finite"),
        ((1, 0, 0), {"text": "값" * 14_000}, "needs 42,0.. bytes, 40,960 are allowed"),
        ((1, 0, 0), {"price": None}, "metadata field price is empty"),
        ((1, 0, 0), {"$price": "1"}, r"metadata field \$price"),
        ((1, 0, 0), {"price": {"a": 1}}, "price"),
        ((1, 0, 0), {"prices": [1, 2]}, "prices"),
    ],
)
def test_a_vector_that_cannot_be_held_is_named_and_not_sent(
    numbers: tuple[float, ...],
    metadata: dict[str, Any],
    message: str,
    pinecone: PineconeVectorStore,
    server: PineconeServer,
):
    wrong = VectorBatch(["bad"], np.array([numbers], dtype=np.float32), [metadata])
    with pytest.raises(PermanentError, match=f"^Vector bad .*{message}"):
        pinecone.upsert(MODEL, "ns", wrong)
    assert server.counters.requests["upsert"] == 0


def test_metadata_arrives_as_it_was_given_with_the_model_beside_it(
    pinecone: PineconeVectorStore, server: PineconeServer
):
    """`model` is what people call a column; it stays theirs."""
    pinecone.upsert(MODEL, "ns", batch(["a"], model="Golf", rowNumber=7, 글=["값", "b"], premium=12.5, vip=True))
    assert server.index.held() == {
        ("ns", "a"): {
            "model": "Golf",
            "rowNumber": 7,
            "글": ["값", "b"],
            "premium": 12.5,
            "vip": True,
            "embeddingModel": MODEL,
        }
    }


# -- reading ------------------------------------------------------------------------------------------------------


def test_ids_and_namespaces_come_in_pages(pinecone: PineconeVectorStore, server: PineconeServer):
    pinecone.upsert(MODEL, "ns", batch(ids(250)))
    assert [len(page) for page in pinecone.id_pages(MODEL, "ns")] == [100, 100, 50]
    for number in range(120):
        pinecone.upsert(MODEL, f"org_{number:03}", batch(["a"]))
    assert list(pinecone.namespaces()) == ["ns", *(f"org_{number:03}" for number in range(120))]
    assert server.counters.requests["namespaces"] == 2


def test_a_query_among_near_vectors_fetches_nothing(pinecone: PineconeVectorStore, server: PineconeServer):
    given = batch(ids(2_000))
    pinecone.upsert(MODEL, "ns", given)
    nearest = pinecone.query(MODEL, ["ns"], given.matrix[7], 50)
    among = [match.vector_id for match in nearest[10:20]]
    assert pinecone.query(MODEL, ["ns"], given.matrix[7], 5, among) == nearest[10:15]
    assert pinecone.query(MODEL, ["ns"], given.matrix[7], 50, among) == nearest[10:20]
    assert server.counters.requests["fetch"] == 0


def test_what_is_written_is_seen_later_and_can_be_waited_for(connect: Connect, server: PineconeServer):
    """Never verified by reading at once: positions of the log are compared."""
    server.index.lag = math.inf
    store = connect()
    assert not store.strongly_consistent
    position = store.upsert(MODEL, "ns", batch(["a"]))
    assert position is not None
    with pytest.raises(TransientError, match="does not show yet what was written to namespace ns"):
        store.wait_until_visible({"ns": position}, 3)
    assert store.missing(MODEL, "ns", ["a"]) == ["a"]
    server.index.settle()
    store.wait_until_visible({"ns": position}, 3)
    assert store.missing(MODEL, "ns", ["a"]) == []


def test_a_waiting_store_asks_again_and_sends_nothing(connect: Connect, server: PineconeServer):
    server.index.lag = 5
    store = connect()
    position = store.upsert(MODEL, "ns", batch(["a"]))
    store.wait_until_visible({"ns": position or 0}, 3)
    assert (server.counters.requests["upsert"], server.counters.requests["query"]) == (1, 6)


def test_ids_that_we_never_gave_are_not_named(connect: Connect, server: PineconeServer):
    """The teams' other programs may keep vectors of their own in the index."""
    store = connect()
    ours = str(UUID(int=7))
    store.upsert(MODEL, "ns", batch(["row-17", ours]))
    assert [id_ for page in store.id_pages(MODEL, "ns") for id_ in page] == [ours]


def test_writes_come_to_light_after_some_reads(connect: Connect, server: PineconeServer):
    server.index.lag = 3
    store = connect()
    store.upsert(MODEL, "ns", batch(["a"]))
    probe = np.ones(3, dtype=np.float32)
    assert [len(store.query(MODEL, ["ns"], probe, 1)) for _ in range(4)] == [0, 0, 0, 1]
