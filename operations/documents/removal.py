"""Removal of documents and of their old versions: planned, requested, carried out; one account of what goes.

Commands and jobs carry it out; DELETE /documents/{id} and the page request it, which stores an event. The order: out of
every search, the vector store, object storage and inboxes, the embedding service, the ledger. Broken off anywhere, the
document is out of every search, and doing it again finishes it.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic.alias_generators import to_camel

from domain.errors import Conflict, InvalidRequest, NotFound
from operations.documents.embedding_jobs import cancel_embedding_jobs
from operations.documents.garbage_collection import sweep
from operations.events.intake import ingest_document_event
from operations.partial_failures import PartialFailures
from resources.embedders.protocol import EmbeddingJobService
from resources.inbox.protocol import Inbox
from resources.ledger.documents.documents import Version
from resources.ledger.ledger import Ledger
from resources.ledger.removal.removals import Going
from resources.objects.protocol import ObjectStore
from resources.vectors.protocol import VectorStore

# Called with a document before its rows go from the ledger, and after: what else holds data of it (runs, partitions).
Forget = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DocumentStores:
    """Where the data of a document, or of whom it belongs to, may lie."""

    ledger: Ledger
    vectors: VectorStore
    objects: ObjectStore
    inboxes: Sequence[Inbox] = ()
    embedding_jobs: EmbeddingJobService | None = None
    forget: Forget = lambda _: None


@dataclass(frozen=True, slots=True)
class RemovalReport:
    """What was removed, or would be in a dry run. Vectors that other documents' rows point at stay.

    `orders_cancelled` are jobs at an embedding service: ended there, with the files that it holds for them.
    """

    document_id: str
    dry_run: bool
    versions: list[int] = field(default_factory=list)
    vectors_deleted: int = 0
    namespaces_affected: list[str] = field(default_factory=list)
    embeddings_deleted: int = 0
    objects_deleted: int = 0
    inbox_files_deleted: int = 0
    orders_cancelled: int = 0

    def as_json(self) -> dict[str, Any]:
        return {to_camel(name): value for name, value in asdict(self).items()}


OnRemoved = Callable[[RemovalReport], None]

# -- documents --------------------------------------------------------------------------------------------------------


def plan_removal(stores: DocumentStores, *document_ids: str) -> list[RemovalReport]:
    """What removing these documents in this order would remove; nothing is touched. Of unknown documents: nothing.

    What two of them share goes with the later one.
    """
    counts = stores.ledger.removals.going(document_ids)
    return [
        _plan(stores, document_id, stores.ledger.removals.versions(document_id), None, count)
        for document_id, count in zip(document_ids, counts, strict=True)
    ]


def request_removal(stores: DocumentStores, version: Version) -> str:
    """Take the document out of every search and have a run remove it; returns the id of the event that starts the run.

    The request is stored as the event that an app would send, so that it survives a crash.
    Raises Conflict while a run works on the document; one that waits hours for an embedding service does not count.
    """
    if version.status == "processing" and not version.waiting_reason:
        raise Conflict(
            f"Version {version.version} of {version.document_id} is being processed; wait until it has ended"
        )
    event_id = ingest_document_event(stores.ledger, version, "document/cleanup")
    stores.ledger.removals.withdraw_at_rest(version.document_id)
    return event_id


def remove_document(stores: DocumentStores, document_id: str) -> RemovalReport:
    """Remove a document whole. Raises NotFound for an unknown document."""
    ledger = stores.ledger
    with ledger.documents.claim(document_id):
        ledger.removals.withdraw(document_id)  # first: no upload comes after what is listed now
        versions = ledger.removals.versions(document_id)
        if not versions:
            raise NotFound(f"There is no document {document_id}; `rowline documents` lists them")
        return _remove(stores, document_id, versions, None)


def remove_documents(
    stores: DocumentStores, document_ids: Iterable[str], on_removed: OnRemoved = lambda _: None
) -> list[RemovalReport]:
    """Remove documents one by one, each reported to `on_removed` as soon as it is gone.

    One that was removed before (by an attempt that broke off later) is reported with nothing in it. Raises
    PermanentError at the end if some could not be removed.
    """
    reports, failures = [], PartialFailures()
    for document_id in document_ids:
        with failures.collect(document_id):
            try:
                report = remove_document(stores, document_id)
            except NotFound:
                report = RemovalReport(document_id, dry_run=False)
            on_removed(report)
            reports.append(report)
    failures.raise_if_any()
    return reports


# -- old versions -----------------------------------------------------------------------------------------------------


def plan_old_versions_removal(stores: DocumentStores, document_id: str, keep: int) -> RemovalReport:
    """What `remove_old_versions` would remove, and when it raises: the same."""
    versions = _old_versions(stores.ledger, document_id, keep)
    numbers = [version.version for version in versions]
    (count,) = stores.ledger.removals.going([document_id], numbers)
    return _plan(stores, document_id, versions, numbers, count)


def remove_old_versions(stores: DocumentStores, document_id: str, keep: int) -> RemovalReport:
    """Remove versions older than the newest `keep` completed ones; the live one and those in progress always stay.

    A removed version cannot be rolled back to. Raises InvalidRequest if `keep` is less than 1, NotFound for an unknown
    document.
    """
    check_keep(keep)  # before waiting for whoever works on the document
    with stores.ledger.documents.claim(document_id):
        versions = _old_versions(stores.ledger, document_id, keep)
        if not versions:
            return RemovalReport(document_id, dry_run=False)
        numbers = [version.version for version in versions]
        stores.ledger.removals.begin_forgetting(document_id, numbers)  # nobody goes back to what is half removed
        return _remove(stores, document_id, versions, numbers)


def remove_old_versions_of_all(
    stores: DocumentStores,
    organization_id: str | None,
    keep: int,
    limit: int,
    dry_run: bool = True,
    on_removed: OnRemoved = lambda _: None,
) -> tuple[list[RemovalReport], int]:
    """`remove_old_versions` of up to `limit` documents (of an organization), oldest first; in a dry run only planned.

    Returns a report for each, and how many documents with old versions remain. Raises PermanentError at the end if some
    could not be done.
    """
    document_ids, total = stores.ledger.removals.with_old(organization_id, keep, limit)
    reports, failures = [], PartialFailures()
    for document_id in document_ids:
        with failures.collect(document_id), suppress(NotFound):  # removed meanwhile, with its versions
            remove = plan_old_versions_removal if dry_run else remove_old_versions
            report = remove(stores, document_id, keep)
            on_removed(report)
            reports.append(report)
    failures.raise_if_any()
    return reports, total - len(document_ids)


def check_keep(keep: int) -> None:
    """Raises InvalidRequest for a number of versions to keep that would leave none."""
    if keep < 1:
        raise InvalidRequest(f"{keep} versions to keep are too few: the live one always stays")


def _old_versions(ledger: Ledger, document_id: str, keep: int) -> list[Version]:
    check_keep(keep)
    ledger.documents.latest(document_id)  # raises NotFound
    return [ledger.documents.get(document_id, number) for number in ledger.removals.old(document_id, keep)]


# -- what both do -----------------------------------------------------------------------------------------------------


def _plan(
    stores: DocumentStores, document_id: str, versions: Sequence[Version], numbers: list[int] | None, count: Going
) -> RemovalReport:
    """Of these versions; `numbers` None: of the document."""
    inbox_files = count_inbox_files(stores, versions[0].organization_id, document_id, numbers) if versions else 0
    return RemovalReport(
        document_id,
        dry_run=True,
        versions=[version.version for version in versions],
        vectors_deleted=sum(count.vectors.values()),
        namespaces_affected=[*count.vectors],
        embeddings_deleted=count.embeddings,
        objects_deleted=sum(len(object_keys(stores.objects, version)) for version in versions),
        inbox_files_deleted=inbox_files,
        orders_cancelled=len(stores.ledger.embedding_jobs.at_service([document_id], numbers)),
    )


def _remove(
    stores: DocumentStores, document_id: str, versions: Sequence[Version], numbers: list[int] | None
) -> RemovalReport:
    """These versions, which nobody reads any more; `numbers` None: the document.

    The ledger explains what is left, so its rows go last. The vectors of old versions are usually swept already: what a
    crash left over goes now.
    """
    ledger, organization_id = stores.ledger, versions[0].organization_id
    keys = [key for version in versions for key in object_keys(stores.objects, version)]
    swept = sweep(ledger, stores.vectors, organization_id, document_id)
    delete_objects(stores.objects, keys)
    inbox_files = delete_inbox_files(stores, organization_id, document_id, numbers)
    jobs = cancel_embedding_jobs(ledger, stores.embedding_jobs, [document_id], numbers)
    purged = ledger.removals.forget(organization_id, document_id, numbers)
    return RemovalReport(
        document_id,
        dry_run=False,
        versions=[version.version for version in versions],
        vectors_deleted=swept.vectors,
        namespaces_affected=swept.namespaces,
        embeddings_deleted=purged.embeddings,
        objects_deleted=len(keys),
        inbox_files_deleted=inbox_files,
        orders_cancelled=jobs,
    )


def object_keys(objects: ObjectStore, version: Version) -> list[str]:
    """The uploaded file, unless it was erased, and what was made of it."""
    return [*filter(None, [version.upload.object_key]), *objects.keys(f"{version.folder}/")]


def delete_objects(objects: ObjectStore, keys: Iterable[str]) -> int:
    """Returns how many."""
    count = 0
    for key in keys:
        objects.delete(key)
        count += 1
    return count


def count_inbox_files(
    stores: DocumentStores,
    organization_id: str,
    document_id: str | None = None,
    versions: Sequence[int] | None = None,
) -> int:
    """How many files the inboxes hold of a document (of these versions), or of an organization."""
    return sum(inbox.forget(organization_id, document_id, versions, True) for inbox in stores.inboxes)


def delete_inbox_files(
    stores: DocumentStores,
    organization_id: str,
    document_id: str | None = None,
    versions: Sequence[int] | None = None,
) -> int:
    """Delete what `count_inbox_files` counts; returns how many files."""
    return sum(inbox.forget(organization_id, document_id, versions, False) for inbox in stores.inboxes)
