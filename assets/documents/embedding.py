"""Embedding the batches of a version: some requests in flight, every finished one kept at once."""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from resources.embedders.protocol import Embedded, Embedder
from resources.ledger.documents import Version
from resources.ledger.embeddings import Group
from resources.ledger.ledger import Ledger


def embed_groups(
    ledger: Ledger, embedder: Embedder, version: Version, groups: Iterable[list[int]], in_flight: int, run_id: str
) -> int:
    """Embed the batches of each group and commit them together; returns the number of requests made.

    At most `in_flight` groups are unfinished at a time, which bounds memory and what a crash can cost (laws 5, 9).
    When one request fails, those already paid for are kept before the failure is passed on.
    """
    requests = 0
    waiting: deque[tuple[Group, Future[Embedded]]] = deque()

    def keep_oldest() -> int:
        group, future = waiting.popleft()
        answer = future.result()
        ledger.embeddings.save(version, group, answer.vectors, answer.refused, answer.tokens or 0, run_id)
        return answer.requests

    with ThreadPoolExecutor(in_flight, thread_name_prefix="embed") as pool:
        try:
            for numbers in groups:
                if len(waiting) >= in_flight:
                    requests += keep_oldest()
                ledger.plans.start(version, numbers)
                group = ledger.embeddings.group(version, numbers)
                waiting.append((group, pool.submit(embedder.embed, group.texts)))
            while waiting:
                requests += keep_oldest()
        finally:
            _keep_paid(ledger, version, waiting, run_id)
    return requests


def _keep_paid(
    ledger: Ledger, version: Version, waiting: Iterable[tuple[Group, Future[Embedded]]], run_id: str
) -> None:
    """On the way out of a failure: whatever was answered is kept; what also failed is left for the retry."""
    for group, future in waiting:
        if not future.cancel() and future.exception() is None:
            answer = future.result()
            ledger.embeddings.save(version, group, answer.vectors, answer.refused, answer.tokens or 0, run_id)
