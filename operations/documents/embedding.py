"""Embedding the batches of a version: some requests in flight, every finished one kept at once."""

from collections.abc import Iterable

from resources.embedders.protocol import Embedder
from resources.ledger.documents.documents import Version
from resources.ledger.ledger import Ledger
from resources.parallel import map_in_parallel


def embed_groups(
    ledger: Ledger, embedder: Embedder, version: Version, groups: Iterable[list[int]], in_flight: int, run_id: str
) -> int:
    """Embed the batches of each group and commit them together; returns the number of requests made.

    A group is read, embedded and kept by one thread, so whatever was paid for is kept, also when another group
    fails. A group is one request as a rule; where it takes more, each answer is committed before the next one is
    asked for: so a crash costs at most `in_flight` requests (law 5).
    """

    def embed(batch_numbers: list[int]) -> int:
        ledger.plans.start(version, batch_numbers)
        group = ledger.embeddings.group(version, batch_numbers)
        if not group.texts:
            ledger.embeddings.finish(version, batch_numbers)
        left, requests = len(group.texts), 0
        for answer in embedder.embed_batches(group.texts):
            left -= len(answer.positions)
            ledger.embeddings.save_response(version, group, answer, run_id, last=not left)
            requests += answer.requests
        return requests

    requests = sum(map_in_parallel(embed, groups, in_flight))
    ledger.embeddings.recount(version)
    return requests
