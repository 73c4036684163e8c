"""Embedding the batches of a version: some requests in flight, every finished one stored at once."""

from collections.abc import Iterable

from resources.embedders.protocol import Embedder
from resources.ledger.documents.documents import Version
from resources.ledger.ledger import Ledger
from resources.parallel import map_in_parallel


def embed_groups(
    ledger: Ledger, embedder: Embedder, version: Version, groups: Iterable[list[int]], in_flight: int, run_id: str
) -> int:
    """Embed the batches of each group and commit them together; returns the number of requests made.

    A group is read, embedded and stored by one thread, so whatever was paid for is stored, also when another group
    fails. A group is one request as a rule; if it takes more, each response is committed before the next request: so
    a crash costs at most `in_flight` requests.
    """

    def embed(batch_numbers: list[int]) -> int:
        ledger.plans.start(version, batch_numbers)
        group = ledger.embeddings.group(version, batch_numbers)
        if not group.texts:
            ledger.embeddings.finish(version, batch_numbers)
        left, requests = len(group.texts), 0
        for response in embedder.embed_batches(group.texts):
            left -= len(response.positions)
            ledger.embeddings.save_response(version, group, response, run_id, last=not left)
            requests += response.requests
        return requests

    requests = sum(map_in_parallel(embed, groups, in_flight))
    ledger.embeddings.recount(version)
    return requests
