"""Vector-sync: the store compared with the ledger both ways, and repaired from stored embeddings."""

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
MAX_SAMPLES = 20  # of each kind


@dataclass(slots=True)
class SyncReport:
    """What a comparison found: `missing` promised ones, `stale` ones of the past, `orphaned` ones of nobody.

    `failures`: documents that could not be repaired.
    """

    checked: int = 0
    missing: int = 0
    orphaned: int = 0
    stale: int = 0
    restored: int = 0
    removed: int = 0
    rewritten: int = 0
    samples: dict[str, list[str]] = field(default_factory=dict)
    failures: PartialFailures = field(default_factory=PartialFailures)

    @property
    def repaired(self) -> int:
        return self.restored + self.removed

    def as_json(self) -> dict[str, int]:
        counts = {
            "missing": self.missing,
            "orphaned": self.orphaned,
            "stale": self.stale,
            "repaired": self.repaired,
            "checked": self.checked,
        }
        return counts | ({"rewritten": self.rewritten} if self.rewritten else {})

    def note(self, kind: str, namespace: str, ids: list[str]) -> None:
        sample = self.samples.setdefault(kind, [])
        sample += [f"{namespace}/{vector_id}" for vector_id in ids[: MAX_SAMPLES - len(sample)]]


def sync_vectors(ledger: Ledger, vectors: VectorStore, repair: bool, rewrite: bool = False) -> SyncReport:
    """Compare every namespace, in pages; with `repair`, restore what is missing and delete what nobody needs.

    Nothing is embedded and nothing paid. It ends at a read that fails: nothing is deleted because of one. What changed
    while it ran is read again, under the organization's lock, before it is counted or repaired.
    Only ids are compared: with `rewrite`, what is there is upserted again too, for a store that holds wrong numbers.
    """
    report, models = SyncReport(), vectors.models()
    expected = set(ledger.reconciliation.namespaces())
    # in a store that other programs use too, a namespace that the ledger does not know is theirs
    for namespace in sorted(expected if vectors.shared else expected.union(vectors.namespaces())):
        pairs = compared(ledger.reconciliation.promised(namespace), stored_ids(vectors, models, namespace))
        while page := list(islice(pairs, PAGE)):
            report.checked += len(page)
            ids: dict[Side, list[str]] = {"missing": [], "agreed": [], "extra": []}
            for compared_id in page:
                ids[compared_id.side].append(compared_id.vector_id)
            restore(ledger, vectors, namespace, ids["missing"], report, repair)
            if repair and rewrite:
                send_again(ledger, vectors, namespace, ids["agreed"], report)
            remove(ledger, vectors, models, namespace, ids["extra"], report, repair)
    return report


def left_over(ledger: Ledger, vectors: VectorStore, report: SyncReport) -> SyncReport:
    """What still differs after a repair: compared again, or, in a store that lags, judged by what it acknowledged."""
    if not report.repaired:
        return report
    if vectors.strongly_consistent:
        return sync_vectors(ledger, vectors, repair=False)
    missing = report.missing - report.restored
    return SyncReport(report.checked, missing, samples=report.samples if missing else {})


def stored_ids(vectors: VectorStore, models: Iterable[str], namespace: str) -> Iterator[str]:
    """Ids of the namespace in the store, over all models, ascending."""
    return merge(*(chain.from_iterable(vectors.id_pages(model, namespace)) for model in models))


def restore(
    ledger: Ledger, vectors: VectorStore, namespace: str, ids: list[str], report: SyncReport, repair: bool
) -> None:
    """Count promised vectors that are not in the store; with `repair`, upsert them from stored embeddings."""
    if not ids:
        return
    with owners_lock(ledger, namespace):  # compared a while ago, maybe: from here on nothing is deleted
        for version, owned in owners(ledger, ids):
            missing = vectors.missing(version.model, namespace, owned) if vectors.strongly_consistent else owned
            report.missing += len(missing)
            report.note("missing", namespace, missing)
            if repair:
                with report.failures.collect(version.document_id):
                    upsert_vectors(ledger, vectors, version, namespace, missing)
                    report.restored += len(missing)


def send_again(ledger: Ledger, vectors: VectorStore, namespace: str, ids: list[str], report: SyncReport) -> None:
    if not ids:
        return
    with owners_lock(ledger, namespace):
        for version, owned in owners(ledger, ids):
            with report.failures.collect(version.document_id):
                upsert_vectors(ledger, vectors, version, namespace, owned)
                report.rewritten += len(owned)


def owners(ledger: Ledger, ids: list[str]) -> Iterator[tuple[Version, list[str]]]:
    """Those of the ids that a live version promises now, by version."""
    for (document_id, version), owned in ledger.reconciliation.owners(ids).items():
        yield ledger.reconciliation.version(document_id, version), owned


def remove(
    ledger: Ledger,
    vectors: VectorStore,
    models: Iterable[str],
    namespace: str,
    ids: list[str],
    report: SyncReport,
    repair: bool,
) -> None:
    """Count vectors that nobody needs; with `repair`, delete them."""
    if not ids or not any(ledger.reconciliation.find_unreferenced(namespace, ids)):
        return
    with owners_lock(ledger, namespace):
        # again: nobody can come to rely on them from here on
        unreferenced: Unreferenced = ledger.reconciliation.find_unreferenced(namespace, ids)
        report.stale += len(unreferenced.stale)
        report.orphaned += len(unreferenced.orphaned)
        report.note("stale", namespace, unreferenced.stale)
        report.note("orphaned", namespace, unreferenced.orphaned)
        if repair:
            for model in models:
                vectors.delete(model, namespace, [*unreferenced.stale, *unreferenced.orphaned])
            report.removed += len(unreferenced.stale) + len(unreferenced.orphaned)


def owners_lock(ledger: Ledger, namespace: str) -> AbstractContextManager[None]:
    organization = ledger.reconciliation.organization(namespace)
    return ledger.garbage.collection_lock(organization) if organization else nullcontext()
