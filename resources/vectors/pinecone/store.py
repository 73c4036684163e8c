"""`VectorStore` over one Pinecone index; a namespace of ours is one of its namespaces.

The index has one dimension and may hold several models: which one is in every vector's metadata, and queries
filter on it. An id belongs to one model and one namespace, so deletes by id need no filter.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import nsmallest
from typing import TYPE_CHECKING

from domain.errors import VectorStoreUnavailable
from resources.parallel import map_in_parallel
from resources.vectors.pinecone.calls import MAX_DELETE_IDS, MAX_FETCH_IDS, MAX_TOP_K, Namespace
from resources.vectors.pinecone.connection import MAX_IN_FLIGHT, Connection
from resources.vectors.pinecone.names import from_pinecone_name
from resources.vectors.pinecone.requests import upsert_requests
from resources.vectors.pinecone.upserts import Upsert
from resources.vectors.protocol import Match, VectorBatch

if TYPE_CHECKING:
    import numpy as np

NAMESPACE_PAGE_SIZE = 100  # of one page; the service's limit
MIN_FILTERED_MATCHES = 1_000  # requested at least if only some ids count


ROWLINE_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # the form of our vector ids
POLL_INTERVALS_SECONDS = (
    0.05,
    0.1,
    0.2,
    0.5,
    *[1.0] * 10,
    *[2.0] * 25,
)  # between polls whether a write is visible


class PineconeVectorStore:
    """Vectors in Pinecone. Not `strongly_consistent`.

    Reads lag behind writes, and nothing here reads to verify a write.
    """

    shared = True
    strongly_consistent = False
    upsert_batch_size = 500

    def __init__(
        self,
        api_key: str,
        index: str | None,
        controller_host: str | None = None,
        index_host: str | None = None,
        *,
        timeout: float = 10.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`timeout`: seconds of one attempt.

        Raises ConfigurationError for settings that are wrong without a request.
        """
        self._connection = Connection(api_key, index, controller_host, index_host, timeout)
        self._sleep = sleep
        self._prepared: set[int] = set()

    @property
    def name(self) -> str:
        """With the index's host, which is unique: an index recreated under an old name is another store."""
        return f"pinecone/{self._connection.host()}"

    def prepare(self, model: str, dimension: int) -> None:
        if dimension not in self._prepared:
            self._connection.check(model, dimension)
            self._prepared.add(dimension)

    def missing(self, model: str, namespace: str, ids: Sequence[str]) -> list[str]:
        calls = self._namespace(namespace)
        fetched = map_in_parallel(
            lambda page: calls.fetch(model, page).keys(), chunk_ids(ids, MAX_FETCH_IDS), MAX_IN_FLIGHT
        )
        stored = {vector_id for page in fetched for vector_id in page}
        return [vector_id for vector_id in ids if vector_id not in stored]

    def upsert(self, model: str, namespace: str, batch: VectorBatch) -> int | None:
        upsert = Upsert(self._namespace(namespace))
        upsert.run(upsert_requests(model, namespace, batch), self._sleep)
        return upsert.position

    def wait_until_visible(self, positions: Mapping[str, int], dimension: int) -> None:
        def wait(item: tuple[str, int]) -> None:
            namespace, position = item
            for interval in POLL_INTERVALS_SECONDS:  # each costs a query
                if self._namespace(namespace).is_visible(position, dimension):
                    return
                self._sleep(interval)
            raise VectorStoreUnavailable(
                f"Pinecone does not show yet what was written to namespace {namespace} "
                f"{sum(POLL_INTERVALS_SECONDS):.0f} seconds ago; "
                "try again later: nothing is sent again"
            )

        for _ in map_in_parallel(wait, positions.items(), MAX_IN_FLIGHT):
            pass

    def delete(self, model: str, namespace: str, ids: Sequence[str]) -> None:
        for _ in map_in_parallel(self._namespace(namespace).delete, chunk_ids(ids, MAX_DELETE_IDS), MAX_IN_FLIGHT):
            pass

    def id_pages(self, model: str, namespace: str) -> Iterator[list[str]]:
        token = None
        while True:
            ids, token = self._namespace(namespace).list_page(token)
            if own_ids := [vector_id for vector_id in ids if ROWLINE_ID.fullmatch(vector_id)]:
                yield own_ids
            if token is None:
                return

    def query(
        self,
        model: str,
        namespaces: Sequence[str],
        vector: np.ndarray,
        top_k: int,
        among: Sequence[str] | None = None,
    ) -> list[Match]:
        requested = min(top_k if among is None else max(10 * top_k, MIN_FILTERED_MATCHES), MAX_TOP_K)
        query_vector = vector.tolist()
        answers = list(
            map_in_parallel(
                lambda name: self._namespace(name).query(model, query_vector, requested), namespaces, MAX_IN_FLIGHT
            )
        )
        matches = [match for answer in answers for match in answer]
        if among is None:
            return top_matches(matches, top_k)
        candidates = set(among)
        hits = [match for match in matches if match.vector_id in candidates]
        # a full response says nothing about the matches after its last one
        full = {answer[-1].namespace: answer[-1].score for answer in answers if len(answer) == requested}
        floor = max(full.values(), default=-math.inf)
        if not full or len(hits) == len(candidates) or sum(match.score >= floor for match in hits) >= top_k:
            return top_matches(hits, top_k)
        complete = [match for match in hits if match.namespace not in full]
        return top_matches([*complete, *self._score_by_fetching(model, list(full), vector, among)], top_k)

    def models(self) -> list[str]:
        return ["any"]

    def namespaces(self) -> Iterator[str]:
        token = None
        while True:
            names, token = self._connection.namespaces(token, NAMESPACE_PAGE_SIZE)
            yield from filter(None, map(from_pinecone_name, names))
            if token is None:
                return

    def drop_namespace(self, namespace: str) -> None:
        self._namespace(namespace).drop()

    def close(self) -> None:
        self._connection.close()

    def _namespace(self, namespace: str) -> Namespace:
        return Namespace(self._connection, namespace)

    def _score_by_fetching(
        self, model: str, namespaces: list[str], vector: np.ndarray, ids: Sequence[str]
    ) -> Iterator[Match]:
        """These vectors in these namespaces, fetched and compared here.

        For searches in which many other vectors are nearer.
        """
        import numpy as np

        def compare(item: tuple[str, Sequence[str]]) -> list[Match]:
            namespace, page = item
            stored = self._namespace(namespace).fetch(model, page)
            rows = np.array(list(stored.values()), dtype=np.float32).reshape(len(stored), len(vector))
            scores = rows @ vector / (np.linalg.norm(rows, axis=1) * np.linalg.norm(vector))
            return [Match(vector_id, namespace, float(score)) for vector_id, score in zip(stored, scores, strict=True)]

        items = ((namespace, page) for namespace in namespaces for page in chunk_ids(ids, MAX_FETCH_IDS))
        for page in map_in_parallel(compare, items, MAX_IN_FLIGHT):
            yield from page


def chunk_ids(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def top_matches(matches: list[Match], top_k: int) -> list[Match]:
    return nsmallest(top_k, matches, key=lambda match: (-match.score, match.vector_id))
