"""What every body of the vector store must do; a body is added to the fixture `store` and to nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import numpy as np
import pytest

from domain.errors import TransientError
from resources.vectors.protocol import VectorBatch, VectorStore
from tests.resources.vectors.conftest import BODIES

MODEL, OTHER_MODEL = "test/words/3", "test/other/3"
A, B, C, D = (str(UUID(int=n)) for n in (0xA, 0xB, 0xC, 0xD))
AXES = {A: (1.0, 0.0, 0.0), B: (0.8, 0.6, 0.0), C: (0.0, 1.0, 0.0), D: (-1.0, 0.0, 0.0)}


def batch(*ids: str, turn: int = 0) -> VectorBatch:
    """Vectors along known directions; `turn` rolls their numbers, so that a replaced vector can be recognized."""
    matrix = np.array([np.roll(AXES[id_], turn) for id_ in ids], dtype=np.float32).reshape(len(ids), 3)
    return VectorBatch(ids, matrix, [{"rowNumber": n, "turn": turn, "글": "값"} for n, _ in enumerate(ids)])


def ids_of(store: VectorStore, model: str, namespace: str = "ns") -> list[str]:
    return [id_ for page in store.id_pages(model, namespace) for id_ in page]


def scores(store: VectorStore, probe: tuple[float, ...], *namespaces: str, top_k: int = 10) -> list[tuple[str, float]]:
    found = store.query(MODEL, namespaces or ("ns",), np.array(probe, dtype=np.float32), top_k)
    return [(match.vector_id, round(match.score, 3)) for match in found]


def test_what_was_never_stored_is_missing(store: VectorStore):
    assert sorted(store.missing(MODEL, "ns", [A, B])) == [A, B]
    store.upsert(MODEL, "ns", batch(A))
    assert store.missing(MODEL, "ns", [A, B]) == [B]
    assert store.missing(MODEL, "ns", [A]) == []


def test_the_same_id_is_replaced(store: VectorStore):
    """Idempotent, and the newer vector counts."""
    store.upsert(MODEL, "ns", batch(A, B))
    store.upsert(MODEL, "ns", batch(A, turn=1))
    assert ids_of(store, MODEL) == [A, B]
    assert scores(store, (0.0, 1.0, 0.0)) == [(A, 1.0), (B, 0.6)]


def test_some_new_and_some_known_ids_in_one_upsert(store: VectorStore):
    store.upsert(MODEL, "ns", batch(A))
    store.upsert(MODEL, "ns", batch(A, B, C))
    assert ids_of(store, MODEL) == [A, B, C]


def test_deleting_unknown_ids_is_fine(store: VectorStore):
    store.upsert(MODEL, "ns", batch(A, B))
    store.delete(MODEL, "ns", [A, C])
    store.delete(MODEL, "ns", [A, C])
    store.delete(MODEL, "nobody", [A])
    assert ids_of(store, MODEL) == [B]


def test_ids_come_in_ascending_order_each_once_and_no_page_is_empty(store: VectorStore):
    store.upsert(MODEL, "ns", batch(C, A, D, B))
    pages = list(store.id_pages(MODEL, "ns"))
    assert [id_ for page in pages for id_ in page] == [A, B, C, D]
    assert all(pages)
    assert list(store.id_pages(MODEL, "nobody")) == []


def test_a_namespace_is_listed_while_it_holds_something_and_can_be_dropped(store: VectorStore):
    for name in ("one", "two"):
        store.upsert(MODEL, name, batch(A, B))
    assert sorted(store.namespaces()) == ["one", "two"]
    store.drop_namespace("one")
    store.drop_namespace("one")  # what is not there is fine
    assert list(store.namespaces()) == ["two"]
    assert ids_of(store, MODEL, "one") == []
    assert ids_of(store, MODEL, "two") == [A, B]


def test_a_query_answers_by_cosine_best_first(store: VectorStore):
    store.upsert(MODEL, "ns", batch(A, B, C, D))
    assert scores(store, (2.0, 0.0, 0.0)) == [(A, 1.0), (B, 0.8), (C, 0.0), (D, -1.0)]
    assert scores(store, (1.0, 0.0, 0.0), top_k=2) == [(A, 1.0), (B, 0.8)]


def test_a_query_reaches_the_named_namespaces_only_and_says_which(store: VectorStore):
    store.upsert(MODEL, "one", batch(A))
    store.upsert(MODEL, "two", batch(B))
    store.upsert(MODEL, "three", batch(A, C))
    found = store.query(MODEL, ["one", "two"], np.array((1.0, 0, 0), dtype=np.float32), 10)
    assert [(match.vector_id, match.namespace) for match in found] == [(A, "one"), (B, "two")]
    assert scores(store, (1.0, 0.0, 0.0), "nobody") == []


def test_namespaces_with_names_that_look_alike_are_apart(store: VectorStore):
    """`_` and `%` are wild cards of LIKE, `/` parts paths: none of them may widen a namespace."""
    for name in ("org_a", "orgXa", "org_a/employee_1", "org_%"):
        store.upsert(MODEL, name, batch(A))
    store.delete(MODEL, "org_%", [A])
    store.delete(MODEL, "org_a", [A])
    assert store.missing(MODEL, "org_%", [A]) == store.missing(MODEL, "org_a", [A]) == [A]
    assert store.missing(MODEL, "orgXa", [A]) == []
    assert store.missing(MODEL, "org_a/employee_1", [A]) == []


def test_two_models_never_meet(store: VectorStore):
    """An id belongs to one model, but a namespace may hold vectors of several."""
    store.upsert(MODEL, "ns", batch(A))
    store.upsert(OTHER_MODEL, "ns", batch(B))
    assert scores(store, (1.0, 0.0, 0.0)) == [(A, 1.0)]
    assert store.missing(MODEL, "ns", [A, B]) == [B]
    assert store.missing(OTHER_MODEL, "ns", [A, B]) == [A]
    assert A in ids_of(store, MODEL)
    store.delete(MODEL, "ns", [A])
    assert ids_of(store, OTHER_MODEL) == [B]


def test_a_query_among_some_finds_them_behind_any_number_of_nearer_ones(store: VectorStore):
    """A search in one document must not come back empty because other documents are nearer."""
    crowd = [str(UUID(int=n)) for n in range(1_000, 2_500)]
    store.upsert(MODEL, "ns", VectorBatch(crowd, np.tile(np.float32((1, 0, 0)), (1_500, 1)), [{}] * 1_500))
    store.upsert(MODEL, "ns", batch(B, C, D))
    store.upsert(MODEL, "other", batch(A))
    probe = np.array((1.0, 0.0, 0.0), dtype=np.float32)
    found = store.query(MODEL, ["ns", "other"], probe, 3, among=[A, B, D, C, "00000000-0000-0000-0000-0000000000ff"])
    assert [(match.vector_id, match.namespace, round(match.score, 3)) for match in found] == [
        (A, "other", 1.0),
        (B, "ns", 0.8),
        (C, "ns", 0.0),
    ]
    assert store.query(MODEL, ["ns"], probe, 3, among=[]) == []


def test_namespaces_may_be_in_any_script(store: VectorStore):
    names = ["org_회사", "org_회사/employee_Ängström", "org_会社", "xn--org_-9w5b", "org_acme"]
    for name in names:
        store.upsert(MODEL, name, batch(A))
    assert sorted(store.namespaces()) == sorted(names)
    found = store.query(MODEL, names, np.array((1.0, 0, 0), dtype=np.float32), 10)
    assert sorted(match.namespace for match in found) == sorted(names)
    store.drop_namespace("org_회사")
    assert sorted(store.namespaces()) == sorted(names[1:])


def test_nothing_in_nothing_out(store: VectorStore):
    """Empty inputs are no errors: a page may be empty."""
    store.upsert(MODEL, "ns", batch())
    assert store.missing(MODEL, "ns", []) == []
    store.delete(MODEL, "ns", [])
    assert ids_of(store, MODEL) == []
    assert scores(store, (1.0, 0.0, 0.0)) == []
    assert store.query(MODEL, [], np.array((1.0, 0, 0), dtype=np.float32), 10) == []


def test_thousands_of_vectors_go_in_at_once(store: VectorStore):
    ids = [str(UUID(int=n)) for n in range(1, 3001)]
    matrix = np.random.Generator(np.random.PCG64(1)).standard_normal((3000, 3), dtype=np.float32)
    store.upsert(MODEL, "ns", VectorBatch(ids, matrix, [{"n": n} for n in range(3000)]))
    assert store.missing(MODEL, "ns", ids) == []
    assert ids_of(store, MODEL) == ids


def test_upserts_of_the_same_ids_at_once_end_as_one(store: VectorStore):
    """Two documents bring the same rows at the same time; each vector is there once, none is lost."""
    ids = sorted(str(UUID(int=n)) for n in range(1, 501))
    matrix = np.ones((500, 3), dtype=np.float32)
    start = threading.Barrier(4)

    def bring(turn: int) -> None:
        start.wait(10)
        store.upsert(MODEL, "ns", VectorBatch(ids, matrix, [{"turn": turn}] * 500))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(bring, range(4)))
    assert ids_of(store, MODEL) == ids


@pytest.mark.parametrize("store", BODIES, indirect=True)
def test_a_store_that_is_away_is_told_never_taken_for_empty(store: VectorStore, cut_off: Callable[[VectorStore], None]):
    """`missing` or `ids` of a broken connection must not read as an empty store."""
    store.upsert(MODEL, "ns", batch(A))
    cut_off(store)
    for call in (
        lambda: store.missing(MODEL, "ns", [A]),
        lambda: list(store.id_pages(MODEL, "ns")),
        lambda: store.delete(MODEL, "ns", [A]),
        lambda: store.query(MODEL, ["ns"], np.ones(3, dtype=np.float32), 1),
        lambda: store.upsert(MODEL, "ns", batch(B)),
        lambda: list(store.namespaces()),
        lambda: store.drop_namespace("ns"),
    ):
        with pytest.raises(TransientError, match="did not answer"):
            call()
