"""The body of `VectorStore` over one Pinecone index; a namespace of ours is one of its namespaces.

The index has one dimension and may hold several models: which one is in every vector's metadata, and queries
filter on it. An id belongs to one model and one namespace, so deletes by id need no filter.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from heapq import nsmallest
from typing import TYPE_CHECKING

from resources.parallel import in_parallel
from resources.vectors.pinecone.calls import DELETE_IDS, FETCH_IDS, TOP_K, Namespace
from resources.vectors.pinecone.connection import IN_FLIGHT, Connection
from resources.vectors.pinecone.names import ours
from resources.vectors.pinecone.requests import upsert_requests
from resources.vectors.pinecone.upserts import Upsert
from resources.vectors.protocol import Match, VectorBatch

if TYPE_CHECKING:
    import numpy as np

NAMESPACES = 100  # of one page; the service's limit
AMONG = 1_000  # matches asked for at least where only some ids count


class PineconeVectorStore:
    """Vectors in Pinecone. Not `consistent`: reads lag behind writes, and nothing here reads to verify a write."""

    consistent = False

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
        """`timeout`: seconds of one attempt. Raises WrongSetting for what is seen to be wrong without a request."""
        self._connection = Connection(api_key, index, controller_host, index_host, timeout)
        self.name = f"pinecone/{self._connection.index}"
        self._sleep = sleep
        self._prepared: set[int] = set()
        self._noting = threading.Lock()
        self._written: dict[str, tuple[int, int]] = {}  # namespace → log position and dimension of our last upsert

    def prepare(self, model: str, dimension: int) -> None:
        if dimension not in self._prepared:
            self._connection.check(model, dimension)
            self._prepared.add(dimension)

    def missing(self, model: str, namespace: str, ids: Sequence[str]) -> list[str]:
        at = self._at(namespace)
        fetched = in_parallel(lambda page: at.fetch(model, page).keys(), pages(ids, FETCH_IDS), IN_FLIGHT)
        held = {vector_id for page in fetched for vector_id in page}
        return [vector_id for vector_id in ids if vector_id not in held]

    def upsert(self, model: str, namespace: str, batch: VectorBatch) -> None:
        upsert = Upsert(self._at(namespace))
        upsert.run(upsert_requests(model, namespace, batch), self._sleep)
        if upsert.position is not None:
            with self._noting:  # upserts into one namespace may end in another order than they were written in
                written = upsert.position, batch.matrix.shape[1]
                self._written[namespace] = max(written, self._written.get(namespace, written))

    def caught_up(self, namespace: str) -> bool:
        """Whether queries see all that this store has upserted into the namespace; costs one query.

        Deletes tell no position, and neither does what another process wrote: both count as seen.
        """
        written = self._written.get(namespace)
        return written is None or self._at(namespace).shows(*written)

    def delete(self, model: str, namespace: str, ids: Sequence[str]) -> None:
        for _ in in_parallel(self._at(namespace).delete, pages(ids, DELETE_IDS), IN_FLIGHT):
            pass

    def id_pages(self, model: str, namespace: str) -> Iterator[list[str]]:
        token = None
        while True:
            ids, token = self._at(namespace).page(token)
            if ids:
                yield ids
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
        asked = min(top_k if among is None else max(10 * top_k, AMONG), TOP_K)
        probe = vector.tolist()
        answers = list(in_parallel(lambda name: self._at(name).nearest(model, probe, asked), namespaces, IN_FLIGHT))
        found = [match for answer in answers for match in answer]
        if among is None:
            return best(found, top_k)
        wanted = set(among)
        hits = [match for match in found if match.vector_id in wanted]
        # a full answer says nothing about what comes behind its last match
        full = {answer[-1].namespace: answer[-1].score for answer in answers if len(answer) == asked}
        floor = max(full.values(), default=-math.inf)
        if not full or len(hits) == len(wanted) or sum(match.score >= floor for match in hits) >= top_k:
            return best(hits, top_k)
        elsewhere = [match for match in hits if match.namespace not in full]
        return best([*elsewhere, *self._compared(model, list(full), vector, among)], top_k)

    def models(self) -> list[str]:
        return ["any"]

    def namespaces(self) -> Iterator[str]:
        token = None
        while True:
            names, token = self._connection.namespaces(token, NAMESPACES)
            yield from filter(None, map(ours, names))
            if token is None:
                return

    def drop_namespace(self, namespace: str) -> None:
        self._at(namespace).drop()
        self._written.pop(namespace, None)

    def close(self) -> None:
        self._connection.close()

    def _at(self, namespace: str) -> Namespace:
        return Namespace(self._connection, namespace)

    def _compared(self, model: str, namespaces: list[str], vector: np.ndarray, ids: Sequence[str]) -> Iterator[Match]:
        """These vectors in these namespaces, fetched and compared here: for when many others are nearer."""
        import numpy as np

        def compared(place: tuple[str, Sequence[str]]) -> list[Match]:
            namespace, page = place
            held = self._at(namespace).fetch(model, page)
            rows = np.array(list(held.values()), dtype=np.float32).reshape(len(held), len(vector))
            scores = rows @ vector / (np.linalg.norm(rows, axis=1) * np.linalg.norm(vector))
            return [Match(vector_id, namespace, float(score)) for vector_id, score in zip(held, scores, strict=True)]

        places = ((namespace, page) for namespace in namespaces for page in pages(ids, FETCH_IDS))
        for page in in_parallel(compared, places, IN_FLIGHT):
            yield from page


def pages(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def best(matches: list[Match], top_k: int) -> list[Match]:
    return nsmallest(top_k, matches, key=lambda match: (-match.score, match.vector_id))
