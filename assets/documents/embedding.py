"""Embedding the batches of a version: some requests in flight, every finished one kept at once."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed

from resources.embedders.protocol import Embedder
from resources.ledger.documents import Version
from resources.ledger.ledger import Ledger


def embed_groups(
    ledger: Ledger, embedder: Embedder, version: Version, groups: Iterable[list[int]], in_flight: int, run_id: str
) -> int:
    """Embed the batches of each group and commit them together; returns the number of requests made.

    A group is read, embedded and kept by one thread, so whatever was paid for is kept, also when another group
    fails; `in_flight` threads bound memory and what a crash can cost (laws 5 and 9).
    """

    def embed(batch_numbers: list[int]) -> int:
        ledger.plans.start(version, batch_numbers)
        group = ledger.embeddings.group(version, batch_numbers)
        answer = embedder.embed(group.texts)
        ledger.embeddings.save(version, group, answer.vectors, answer.refused, answer.tokens or 0, run_id)
        return answer.requests

    requests = 0
    with ThreadPoolExecutor(in_flight, thread_name_prefix="embed") as pool:
        try:
            for finished in as_completed([pool.submit(embed, numbers) for numbers in groups]):
                requests += finished.result()
        except BaseException:
            # begin no more requests; those under way end and keep what they paid for
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return requests
