"""Vector-sync: the store compared with the ledger both ways, and repaired from kept embeddings."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from heapq import merge
from itertools import chain, islice

from domain.documents.reconciliation import Side, compared
from operations.documents.indexing import upsert_vectors
from operations.partial_failures import PartialFailures
from resources.ledger.documents.documents import Version
from resources.ledger.indexing.reconciliation import Unreferenced
from resources.ledger.ledger import Ledger
from resources.vectors.protocol import VectorStore

PAGE = 500  # ids looked up and repaired together


@dataclass(slots=True)
class SyncReport:
    """What a comparison found: `missing` promised ones, `stale` ones of the past, `orphaned` ones of nobody.

    `troubles`: documents that could not be repaired.
    """

    checked: int = 0
    missing: int = 0
    orphaned: int = 0
    stale: int = 0
    restored: int = 0
    removed: int = 0
    rewritten: int = 0
    samples: dict[str, list[str]] = field(default_factory=dict)
    troubles: PartialFailures = field(default_factory=PartialFailures)

    @property
    def repaired(self) -> int:
        return self.restored + self.removed

    def as_json(self) -> dict[str, int]:
        told = {
            "missing": self.missing,
            "orphaned": self.orphaned,
            "stale": self.stale,
            "repaired": self.repaired,
            "checked": self.checked,
        }
        return told | ({"rewritten": self.rewritten} if self.rewritten else {})

    def note(self, kind: str, namespace: str, ids: list[str]) -> None:
        told = self.samples.setdefault(kind, [])
        told += [f"{namespace}/{vector_id}" for vector_id in ids[: 20 - len(told)]]


def sync_vectors(ledger: Ledger, vectors: VectorStore, repair: bool, rewrite: bool = False) -> SyncReport:
    """Compare every namespace, in pages; with `repair`, put back what is missing and delete what nobody needs.

    Nothing is embedded and nothing paid. A read that fails ends it there: nothing is repaired on the strength of one
    (law 8). What changes while it runs is looked at again, under the organization's lock, before it is told or changed.
    Only ids are compared: with `rewrite` as well, what is there is sent again, for a store that holds wrong numbers.
    """
    drifted, models = SyncReport(), vectors.models()
    known = set(ledger.reconciliation.namespaces())
    # in a store that other programs use too, a namespace of which the ledger has no word is theirs
    for namespace in sorted(known if vectors.shared else known.union(vectors.namespaces())):
        found = compared(ledger.reconciliation.promised(namespace), held(vectors, models, namespace))
        while page := list(islice(found, PAGE)):
            drifted.checked += len(page)
            ids: dict[Side, list[str]] = {"missing": [], "agreed": [], "extra": []}
            for one in page:
                ids[one.side].append(one.vector_id)
            restore(ledger, vectors, namespace, ids["missing"], drifted, repair)
            if repair and rewrite:
                send_again(ledger, vectors, namespace, ids["agreed"], drifted)
            remove(ledger, vectors, models, namespace, ids["extra"], drifted, repair)
    return drifted


def left_over(ledger: Ledger, vectors: VectorStore, found: SyncReport) -> SyncReport:
    """What is still amiss after a repair: looked at again, or, in a store that lags, judged by what it acknowledged."""
    if not found.repaired:
        return found
    if vectors.strongly_consistent:
        return sync_vectors(ledger, vectors, repair=False)
    missing = found.missing - found.restored
    return SyncReport(found.checked, missing, samples=found.samples if missing else {})


def held(vectors: VectorStore, models: Iterable[str], namespace: str) -> Iterator[str]:
    """Ids of the namespace in the store, over all models, ascending."""
    return merge(*(chain.from_iterable(vectors.id_pages(model, namespace)) for model in models))


def restore(
    ledger: Ledger, vectors: VectorStore, namespace: str, ids: list[str], drifted: SyncReport, repair: bool
) -> None:
    """Count promised vectors that are not in the store; with `repair`, upsert them from kept embeddings."""
    if not ids:
        return
    with owners_lock(ledger, namespace):  # what was compared may be a while ago: from here on nothing is deleted
        for version, owned in owners(ledger, ids):
            missing = vectors.missing(version.model, namespace, owned) if vectors.strongly_consistent else owned
            drifted.missing += len(missing)
            drifted.note("missing", namespace, missing)
            if repair:
                with drifted.troubles.collect(version.document_id):
                    upsert_vectors(ledger, vectors, version, namespace, missing)
                    drifted.restored += len(missing)


def send_again(ledger: Ledger, vectors: VectorStore, namespace: str, ids: list[str], drifted: SyncReport) -> None:
    if not ids:
        return
    with owners_lock(ledger, namespace):
        for version, owned in owners(ledger, ids):
            with drifted.troubles.collect(version.document_id):
                upsert_vectors(ledger, vectors, version, namespace, owned)
                drifted.rewritten += len(owned)


def owners(ledger: Ledger, ids: list[str]) -> Iterator[tuple[Version, list[str]]]:
    """Those of the ids that a live version promises now, by version."""
    for (document_id, number), owned in ledger.reconciliation.owners(ids).items():
        yield ledger.reconciliation.version(document_id, number), owned


def remove(
    ledger: Ledger,
    vectors: VectorStore,
    models: Iterable[str],
    namespace: str,
    ids: list[str],
    drifted: SyncReport,
    repair: bool,
) -> None:
    """Count vectors that nobody needs; with `repair`, delete them."""
    if not ids or not any(ledger.reconciliation.find_unreferenced(namespace, ids)):
        return
    with owners_lock(ledger, namespace):
        unowed: Unreferenced = ledger.reconciliation.find_unreferenced(
            namespace, ids
        )  # again: nobody can come to rely on them from here on
        drifted.stale += len(unowed.stale)
        drifted.orphaned += len(unowed.orphaned)
        drifted.note("stale", namespace, unowed.stale)
        drifted.note("orphaned", namespace, unowed.orphaned)
        if repair:
            for model in models:
                vectors.delete(model, namespace, [*unowed.stale, *unowed.orphaned])
            drifted.removed += len(unowed.stale) + len(unowed.orphaned)


def owners_lock(ledger: Ledger, namespace: str) -> AbstractContextManager[None]:
    organization = ledger.reconciliation.organization(namespace)
    return ledger.garbage.collection_lock(organization) if organization else nullcontext()
