"""Every fault at every operation: what passes by itself, what is reported, and that the next try works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from uuid import UUID

import numpy as np
import pytest

from domain.errors import ConfigurationError, PermanentError, RowlineError, TransientError
from resources.vectors.pinecone.store import PineconeVectorStore
from resources.vectors.protocol import VectorBatch
from tests.resources.vectors.conftest import Connect
from tests.stand_ins.faults import Fault
from tests.stand_ins.pinecone_server import KEY, PineconeServer

MODEL = "openai/test/3"
A, B = IDS = [str(UUID(int=number)) for number in (1, 2)]
GIVEN = VectorBatch(IDS, np.eye(2, 3, dtype=np.float32), [{}, {}])
TIMEOUT = 0.2  # seconds

OPERATIONS: dict[str, Callable[[PineconeVectorStore], object]] = {
    "describe": lambda store: store.prepare(MODEL, 3),
    "upsert": lambda store: isinstance(store.upsert(MODEL, "ns", GIVEN), int),  # a position in the log
    "query": lambda store: len(store.query(MODEL, ["ns"], np.ones(3, dtype=np.float32), 5)),
    "fetch": lambda store: store.missing(MODEL, "ns", IDS),
    "list": lambda store: list(store.id_pages(MODEL, "ns")),
    "delete": lambda store: store.delete(MODEL, "ns", [B]),
    "namespaces": lambda store: list(store.namespaces()),
    "delete_namespace": lambda store: store.drop_namespace("elsewhere"),
}
RIGHT = {"upsert": True, "query": 2, "fetch": [], "list": [IDS], "namespaces": ["elsewhere", "ns"]}


@dataclass(frozen=True)
class Expected:
    """What is reported if the fault persists; `alone`: also when it comes once, because the SDK does not repeat it."""

    failure: type[RowlineError]
    expected_error: str
    alone: bool = False


EXPECTED = {
    "rate_limit": Expected(TransientError, "asks us to slow down while {tried}"),
    "server_error": Expected(TransientError, r"failed \(HTTP 500\) while {tried}"),
    "unavailable": Expected(TransientError, r"failed \(HTTP 503\) while {tried}"),
    "reset_before": Expected(TransientError, "could not be reached, or did not answer to the end, while {tried}"),
    "reset_after": Expected(TransientError, "could not be reached, or did not answer to the end, while {tried}"),
    "timeout": Expected(TransientError, "did not answer in time while {tried}"),
    "truncated": Expected(TransientError, "did not answer to the end, while {tried}", alone=True),
    "garbage": Expected(TransientError, "answered something that cannot be read while {tried}", alone=True),
    "wrong_key": Expected(ConfigurationError, "does not accept PINECONE_API_KEY", alone=True),
    "missing": Expected(ConfigurationError, "no such index, as found while {tried} .*PINECONE_INDEX", alone=True),
    "quota_full": Expected(PermanentError, r"forbids {tried} \(HTTP 403\); check the limits", alone=True),
}
TRIED = {
    "describe": "looking up index rowline",
    "upsert": "upserting into namespace ns",
    "query": "searching namespace ns",
    "fetch": "fetching from namespace ns",
    "list": "listing namespace ns",
    "delete": "deleting from namespace ns",
    "namespaces": "listing namespaces",
    "delete_namespace": "removing namespace elsewhere",
}
DONE = {  # for these the work counts as done, and is
    ("garbage", "delete"): "the SDK does not look at what a delete answers, only at its status",
    ("garbage", "delete_namespace"): "as above",
    ("reset_after", "delete_namespace"): "the SDK's second attempt finds no such namespace",
}


@pytest.fixture
def filled(connect: Connect, server: PineconeServer) -> PineconeVectorStore:
    """A store that holds something and has worked before; another one prepares it, so that `prepare` asks anew."""
    store = connect(timeout=TIMEOUT)
    for namespace in ("ns", "elsewhere"):
        store.upsert(MODEL, namespace, GIVEN)
    return store


@pytest.mark.parametrize(("kind", "operation"), [at for at in product(EXPECTED, OPERATIONS) if at not in DONE])
def test_a_fault_that_stays_is_told_and_the_next_try_works(
    kind: str, operation: str, filled: PineconeVectorStore, server: PineconeServer
):
    expected, call = EXPECTED[kind], OPERATIONS[operation]
    server.faults.append(Fault(kind, operation, always=True))
    with pytest.raises(expected.failure, match=expected.expected_error.format(tried=TRIED[operation])) as raised:
        call(filled)
    expected_error = str(raised.value)
    assert KEY not in expected_error
    assert "\n" not in expected_error
    server.faults.clear()
    assert call(filled) == RIGHT.get(operation)


@pytest.mark.parametrize(("kind", "operation"), DONE)
def test_a_removal_that_was_done_is_done(
    kind: str, operation: str, filled: PineconeVectorStore, server: PineconeServer
):
    server.faults.append(Fault(kind, operation, always=True))
    OPERATIONS[operation](filled)
    left = {(name, vector_id) for name in ("ns", "elsewhere") for vector_id in IDS}
    gone = {("ns", B)} if operation == "delete" else {("elsewhere", A), ("elsewhere", B)}
    assert set(server.index.held()) == left - gone


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", [kind for kind, expected in EXPECTED.items() if not expected.alone])
def test_a_fault_that_comes_once_passes(
    kind: str, operation: str, filled: PineconeVectorStore, server: PineconeServer, pinecone_pauses: list[float]
):
    server.faults.append(Fault(kind, operation))
    assert OPERATIONS[operation](filled) == RIGHT.get(operation)
    assert len(pinecone_pauses) == 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_slow_answer_in_time_is_an_answer(operation: str, filled: PineconeVectorStore, server: PineconeServer):
    server.faults.append(Fault("slow", operation, seconds=TIMEOUT / 4))
    assert OPERATIONS[operation](filled) == RIGHT.get(operation)


@pytest.mark.parametrize("said", ["{}", '{"message": "Welcome"}', "[]", "null"])
@pytest.mark.parametrize("operation", ["upsert", "query", "fetch", "list"])
def test_json_of_somebody_else_is_never_an_empty_answer(
    operation: str, said: str, filled: PineconeVectorStore, server: PineconeServer
):
    """The SDK reads an object without matches as no matches."""
    server.faults.append(Fault("garbage", operation, message=said))
    with pytest.raises(TransientError, match="cannot be read"):
        OPERATIONS[operation](filled)


def test_a_key_that_is_repeated_by_the_service_is_taken_out(filled: PineconeVectorStore, server: PineconeServer):
    server.faults.append(Fault("quota_full", "upsert", always=True, message=f"Key {KEY}\nmay not write " + "x" * 999))
    with pytest.raises(PermanentError, match=r"Key \*\*\* may not write x+…$") as raised:
        filled.upsert(MODEL, "ns", GIVEN)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_a_rate_limit_is_obeyed_by_what_it_asks_for(
    filled: PineconeVectorStore, server: PineconeServer, pinecone_pauses: list[float]
):
    server.faults.append(Fault("rate_limit", "upsert", headers={"retry-after": "4"}))
    filled.upsert(MODEL, "ns", GIVEN)
    assert 4 <= pinecone_pauses[0] <= 6


def test_a_call_ends_after_four_attempts(filled: PineconeVectorStore, server: PineconeServer):
    """Its time is bounded: the SDK's three retries, and nothing stacked on them where nothing comes through."""
    before = server.counters.requests["upsert"]
    server.faults.append(Fault("timeout", "upsert", always=True))
    with pytest.raises(TransientError):
        filled.upsert(MODEL, "ns", GIVEN)
    assert server.counters.requests["upsert"] - before == 4
