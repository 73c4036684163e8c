"""Clean-up: a document, or its old versions, out of the store, the object storage and the ledger, in that order."""

from contextlib import nullcontext

from domain.errors import InvalidRequest
from operations.documents.embedding_jobs import cancelled_orders
from operations.documents.indexing import sweep
from operations.documents.removal import CleanedUp, DocumentStores, check_known, objects_of, parts_of, taken, would_go


def clean_up(stores: DocumentStores, document_id: str, dry_run: bool = True) -> CleanedUp:
    """Remove a document whole. Stopped anywhere, it is out of every search, and doing it again ends it.

    Raises NotFound for an unknown document.
    """
    if dry_run:
        (told,) = would_go(stores, document_id)
        check_known(told.versions, document_id)
        return told
    ledger = stores.ledger
    with ledger.documents.claim(document_id):
        ledger.removals.withdraw(document_id)  # first: no upload comes after what is listed now
        versions, keys = parts_of(stores, document_id)
        check_known(versions, document_id)
        organization, numbers = versions[0].organization_id, [version.version for version in versions]
        swept = sweep(ledger, stores.vectors, organization, document_id)
        for key in keys:
            stores.objects.delete(key)
        files = taken(stores, organization, document_id)
        orders = cancelled_orders(ledger, stores.embedding_jobs, [document_id])
        forgotten = ledger.removals.forget(organization, document_id)
    return CleanedUp(
        *(document_id, False, numbers, swept.vectors, swept.namespaces, forgotten.embeddings, len(keys), files, orders)
    )


def clean_up_old_versions(stores: DocumentStores, document_id: str, keep: int, dry_run: bool = True) -> CleanedUp:
    """Forget versions older than the newest `keep` completed ones; the live one and those on their way always stay.

    What is forgotten cannot be gone back to. Raises InvalidRequest where `keep` is less than 1, and for an unknown
    document.
    """
    if keep < 1:
        raise InvalidRequest(f"{keep} versions to keep are too few: the live one always stays")
    ledger = stores.ledger
    with nullcontext() if dry_run else ledger.documents.claim(document_id):
        version = ledger.documents.latest(document_id)
        old = ledger.removals.old(document_id, keep)
        keys = [key for n in old for key in objects_of(stores.objects, ledger.documents.get(document_id, n))]
        if dry_run or not old:
            (going,) = ledger.removals.going([document_id], old)
            orders = len(ledger.embedding_jobs.at_service([document_id], old))
            files = taken(stores, version.organization_id, document_id, old, dry_run=True)
            counts = sum(going.vectors.values()), [*going.vectors], going.embeddings, len(keys), files, orders
            return CleanedUp(document_id, dry_run, old, *counts)
        ledger.removals.begin_forgetting(document_id, old)  # nobody goes back to what is half gone
        # usually swept long ago; what a crash left over goes now, while the ledger still explains it
        swept = sweep(ledger, stores.vectors, version.organization_id, document_id)
        for key in keys:
            stores.objects.delete(key)
        files = taken(stores, version.organization_id, document_id, old)
        orders = cancelled_orders(ledger, stores.embedding_jobs, [document_id], old)
        forgotten = ledger.removals.forget(version.organization_id, document_id, old)
    return CleanedUp(
        *(document_id, False, old, swept.vectors, swept.namespaces, forgotten.embeddings, len(keys), files, orders)
    )
