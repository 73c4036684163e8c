"""Vector-sync: the store compared with the ledger both ways, and repaired from kept embeddings."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from heapq import merge
from itertools import chain, islice

from assets.documents.storing import upsert_vectors
from pipelines.documents.drift import compared
from resources.ledger.drift import Unowed
from resources.ledger.ledger import Ledger
from resources.vectors.protocol import VectorStore

PAGE = 500  # ids looked up and repaired together


@dataclass(slots=True)
class Drifted:
    """What a comparison found: `missing` promised ones, `stale` ones of the past, `orphaned` ones of nobody."""

    checked: int = 0
    missing: int = 0
    orphaned: int = 0
    stale: int = 0
    repaired: int = 0
    samples: dict[str, list[str]] = field(default_factory=dict)

    def as_json(self) -> dict[str, int]:
        return {
            "missing": self.missing,
            "orphaned": self.orphaned,
            "stale": self.stale,
            "repaired": self.repaired,
            "checked": self.checked,
        }

    def note(self, kind: str, namespace: str, ids: list[str]) -> None:
        told = self.samples.setdefault(kind, [])
        told += [f"{namespace}/{vector_id}" for vector_id in ids[: 20 - len(told)]]


def sync_vectors(ledger: Ledger, vectors: VectorStore, repair: bool) -> Drifted:
    """Compare every namespace, in pages; with `repair`, put back what is missing and delete what nobody needs.

    Nothing is embedded and nothing paid. A read that fails ends it there: nothing is repaired on the strength of one
    (law 8). What changes while it runs is looked at again, under the organization's lock, before it is deleted.
    """
    drifted, models = Drifted(), vectors.models()
    known = set(ledger.drift.namespaces())
    # in a store that other programs use too, a namespace of which the ledger has no word is theirs
    for namespace in sorted(known if vectors.shared else known.union(vectors.namespaces())):
        found = compared(ledger.drift.promised(namespace), held(vectors, models, namespace))
        while page := list(islice(found, PAGE)):
            drifted.checked += len(page)
            missing = [one.vector_id for one in page if one.side == "missing"]
            extra = [one.vector_id for one in page if one.side == "extra"]
            restore(ledger, vectors, namespace, missing, drifted, repair)
            remove(ledger, vectors, models, namespace, extra, drifted, repair)
    return drifted


def held(vectors: VectorStore, models: Iterable[str], namespace: str) -> Iterator[str]:
    """Ids of the namespace in the store, over all models, ascending."""
    return merge(*(chain.from_iterable(vectors.id_pages(model, namespace)) for model in models))


def restore(
    ledger: Ledger, vectors: VectorStore, namespace: str, ids: list[str], drifted: Drifted, repair: bool
) -> None:
    """Count promised vectors that are not in the store; with `repair`, upsert them from kept embeddings."""
    if not ids:
        return
    drifted.missing += len(ids)
    drifted.note("missing", namespace, ids)
    if not repair:
        return
    with owners_lock(ledger, namespace):  # nobody deletes for good what is sent here, before it was sent
        for (document_id, number), owned in ledger.drift.owners(ids).items():
            upsert_vectors(ledger, vectors, ledger.drift.version(document_id, number), namespace, owned)
            drifted.repaired += len(owned)


def remove(
    ledger: Ledger,
    vectors: VectorStore,
    models: Iterable[str],
    namespace: str,
    ids: list[str],
    drifted: Drifted,
    repair: bool,
) -> None:
    """Count vectors that nobody needs; with `repair`, delete them."""
    if not ids or not any(ledger.drift.unowed(namespace, ids)):
        return
    with owners_lock(ledger, namespace):
        unowed: Unowed = ledger.drift.unowed(namespace, ids)  # again: nobody can come to rely on them from here on
        drifted.stale += len(unowed.stale)
        drifted.orphaned += len(unowed.orphaned)
        drifted.note("stale", namespace, unowed.stale)
        drifted.note("orphaned", namespace, unowed.orphaned)
        if repair:
            for model in models:
                vectors.delete(model, namespace, [*unowed.stale, *unowed.orphaned])
            drifted.repaired += len(unowed.stale) + len(unowed.orphaned)


def owners_lock(ledger: Ledger, namespace: str) -> AbstractContextManager[None]:
    organization = ledger.drift.organization(namespace)
    return ledger.sweeps.sweeping(organization) if organization else nullcontext()
