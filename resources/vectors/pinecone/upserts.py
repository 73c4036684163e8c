"""Upserts: many requests at once; failed ones are retried, a rejected vector is isolated."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from domain.errors import PermanentError, TransientError
from resources.parallel import map_in_parallel
from resources.vectors.pinecone.calls import Namespace, PartialUpsert
from resources.vectors.pinecone.connection import MAX_IN_FLIGHT
from resources.vectors.pinecone.errors import RequestRejected

if TYPE_CHECKING:
    from pinecone import Vector

MAX_RETRIED_REQUESTS = 3  # failed requests of one upsert that are retried; with more, the service itself is failing
RETRY_DELAY_SECONDS = 1.0  # before they are retried


class Upsert:
    """The requests of one upsert. The SDK has retried each three times before it counts as failed."""

    def __init__(self, namespace: Namespace) -> None:
        self.position: int | None = None
        """The highest log position that was reported."""
        self._namespace = namespace
        self._lock = threading.Lock()
        self._acknowledged = 0
        self._failed: list[tuple[list[Vector], TransientError]] = []

    def run(self, requests: Iterable[list[Vector]], sleep: Callable[[float], None]) -> None:
        """Raises TransientError if a request still fails, PermanentError for a vector that is rejected."""
        for _ in map_in_parallel(self._attempt, requests, MAX_IN_FLIGHT):
            pass
        if not self._failed:
            return
        if not self._acknowledged:  # no request succeeded: the SDK has waited long enough
            raise self._failed[0][1]
        sleep(RETRY_DELAY_SECONDS)
        for _ in map_in_parallel(self._send, [request for request, _ in self._failed], MAX_IN_FLIGHT):
            pass

    def _attempt(self, request: list[Vector]) -> None:
        """Sends; a few failures among successful requests are kept for a retry."""
        try:
            self._send(request)
        except TransientError as failure:
            with self._lock:
                self._acknowledged += isinstance(failure, PartialUpsert)
                self._failed.append((request, failure))
                if len(self._failed) > MAX_RETRIED_REQUESTS:
                    raise
        else:
            with self._lock:
                self._acknowledged += 1

    def _send(self, request: list[Vector]) -> None:
        try:
            position = self._namespace.upsert(request)
        except RequestRejected as refusal:
            failure = refusal
        else:
            with self._lock:
                self.position = max(filter(None, (self.position, position)), default=None)
            return
        if len(request) == 1:
            raise PermanentError(f"Vector {request[0].id} cannot be stored. {failure}")
        half = (
            len(request) // 2
        )  # isolates the vector that is rejected; a request that is only too large fits in halves
        self._send(request[:half])
        self._send(request[half:])
