"""Erasure: an organization or an employee, whole, with a receipt (the right to be forgotten).

Out of searches first, then out of the store, the object storage and the ledger. What an erased row said is in uploaded
files too, so they go as well: the documents that shared them keep their other rows, but cannot be read again.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic.alias_generators import to_camel

from domain.errors import Conflict, NotFound
from operations.documents.embedding_jobs import cancel_embedding_jobs
from operations.documents.removal import (
    DocumentStores,
    RemovalReport,
    count_inbox_files,
    delete_inbox_files,
    delete_objects,
    object_keys,
    remove_document,
)
from operations.documents.uploads import begun_before, uploads_folder
from resources.ledger.ledger import Ledger
from resources.vectors.protocol import VectorStore

UPLOAD_TAKES = timedelta(hours=1)  # a file without a version that is younger may be one that is just being uploaded
SHOWN = 5  # documents that a refusal names


@dataclass(slots=True)
class Receipt:
    """What was erased; in a dry run, of what. None: not counted in a dry run.

    `arrived_meanwhile` are documents that were uploaded while the organization was being erased: they stay, and what
    they need.
    """

    organization_id: str
    employee_number: str | None
    dry_run: bool
    documents: list[str] = field(default_factory=list)
    rows_erased: int = 0
    vectors_deleted: int = 0
    namespaces_affected: list[str] = field(default_factory=list)
    embeddings_deleted: int | None = None
    objects_deleted: int | None = None
    inbox_files_deleted: int = 0
    orders_cancelled: int = 0
    events_deleted: int | None = None
    notices_deleted: int | None = None
    employees_deleted: int = 0
    templates_deleted: int = 0
    arrived_meanwhile: list[str] = field(default_factory=list)

    def add(self, report: RemovalReport) -> None:
        """What went with one document of an organization."""
        self.vectors_deleted += report.vectors_deleted
        self.embeddings_deleted = (self.embeddings_deleted or 0) + report.embeddings_deleted
        self.objects_deleted = (self.objects_deleted or 0) + report.objects_deleted
        self.inbox_files_deleted += report.inbox_files_deleted
        self.orders_cancelled += report.orders_cancelled
        self.namespaces_affected = sorted({*self.namespaces_affected, *report.namespaces_affected})

    def as_json(self) -> dict[str, Any]:
        return {to_camel(name): value for name, value in asdict(self).items()}


def erase_organization(stores: DocumentStores, organization_id: str, now: datetime, dry_run: bool = True) -> Receipt:
    """Everything of an organization. Doing it again after a crash ends it; the last receipt has what was left.

    Raises NotFound for an organization that nobody knows, Conflict while a document of it is worked on.
    """
    ledger, objects = stores.ledger, stores.objects
    if not ledger.erasures.is_known(organization_id):
        raise NotFound(f"There is no organization {organization_id}; `rowline documents` names those that are here")
    receipt = Receipt(organization_id, None, dry_run, ledger.erasures.documents(organization_id))
    if dry_run:
        counts = [going.vectors for going in ledger.removals.going(receipt.documents)]
        receipt.vectors_deleted = sum(sum(count.values()) for count in counts)
        receipt.namespaces_affected = sorted({namespace for count in counts for namespace in count})
        receipt.inbox_files_deleted = count_inbox_files(stores, organization_id)
        receipt.orders_cancelled = len(ledger.embedding_jobs.at_service(receipt.documents))
        return receipt
    refuse_while_in_work(ledger, organization_id)
    # first: one that waits would bring a file back
    receipt.events_deleted = ledger.erasures.forget_events(organization_id)
    receipt.embeddings_deleted = receipt.objects_deleted = 0
    for document_id in receipt.documents:
        stores.forget(document_id)
        receipt.add(remove_document(stores, document_id))
        stores.forget(document_id)
    # files whose upload was never recorded
    unnamed = [key for key in objects.keys(uploads_folder(organization_id)) if begun_before(key, now - UPLOAD_TAKES)]
    receipt.objects_deleted += delete_objects(objects, set(unnamed) - ledger.erasures.named(unnamed))
    receipt.inbox_files_deleted += delete_inbox_files(stores, organization_id)
    left = ledger.erasures.erase_organization(organization_id)
    receipt.employees_deleted, receipt.templates_deleted = left.employees, left.templates
    receipt.embeddings_deleted += left.embeddings
    receipt.events_deleted += left.events
    receipt.notices_deleted = left.notifications
    receipt.arrived_meanwhile = ledger.erasures.documents(organization_id)
    return receipt


def erase_employee(stores: DocumentStores, organization_id: str, employee_number: str, dry_run: bool = True) -> Receipt:
    """Everything of one employee, in every version of every document.

    The employee leaves the list last, so that doing it again after a crash ends it. Rows are known to be
    theirs by the template's employee column: a company-wide row that mentions them is not found. Of what apps sent, an
    event goes where a value in it is their number or their name, a message where its text has the name too.
    Raises NotFound for one who is not in the list, Conflict while a document of the organization is worked on.
    """
    ledger = stores.ledger
    current = ledger.erasures.namespace(organization_id, employee_number)
    if current is None:
        raise NotFound(
            f"Organization {organization_id} has no employee {employee_number}; see `rowline employees list`"
        )
    touched = ledger.erasures.versions_with(organization_id, employee_number)
    namespaces = ledger.erasures.namespaces(organization_id, employee_number) | {current: None}
    receipt = Receipt(organization_id, employee_number, dry_run, [*touched], namespaces_affected=sorted(namespaces))
    if dry_run:
        receipt.vectors_deleted = sum(len(held(stores.vectors, name, among)) for name, among in namespaces.items())
        for document_id, numbers in touched.items():
            receipt.inbox_files_deleted += count_inbox_files(stores, organization_id, document_id)
            receipt.orders_cancelled += len(ledger.embedding_jobs.at_service([document_id], numbers))
        return receipt
    refuse_while_in_work(ledger, organization_id)
    receipt.embeddings_deleted = receipt.objects_deleted = 0
    receipt.vectors_deleted = drop(stores, organization_id, namespaces)
    for document_id, numbers in touched.items():
        stores.forget(document_id)
        with ledger.documents.claim(document_id):
            versions = [ledger.documents.get(document_id, number) for number in numbers]
            receipt.objects_deleted += delete_objects(
                stores.objects, [key for v in versions for key in object_keys(stores.objects, v)]
            )
            receipt.inbox_files_deleted += delete_inbox_files(stores, organization_id, document_id)
            receipt.orders_cancelled += cancel_embedding_jobs(ledger, stores.embedding_jobs, [document_id], numbers)
            erased = ledger.erasures.erase_rows(
                organization_id, document_id, numbers, employee_number, list(namespaces)
            )
        stores.forget(document_id)
        receipt.rows_erased += erased.rows
        receipt.embeddings_deleted += erased.embeddings
    drop(stores, organization_id, namespaces)  # what a vector-sync brought back before the rows were gone
    left = ledger.erasures.erase_employee(organization_id, employee_number)
    receipt.events_deleted, receipt.notices_deleted = left.events, left.notifications
    receipt.employees_deleted = left.employees
    return receipt


def refuse_while_in_work(ledger: Ledger, organization_id: str) -> None:
    """Raises Conflict: a version that is being processed would bring back what is being erased."""
    if busy := ledger.erasures.in_work(organization_id):
        more = f" and {len(busy) - SHOWN} more" if len(busy) > SHOWN else ""
        raise Conflict(
            f"Documents of {organization_id} are still waiting or being processed: {', '.join(busy[:SHOWN])}{more}. "
            "Let them end, or clean them up, and erase then"
        )


def held(vectors: VectorStore, namespace: str, among: Iterable[str] | None) -> set[tuple[str, str]]:
    """(model, id) of the vectors in a namespace; of these only, where some are named."""
    wanted = None if among is None else set(among)
    return {
        (model, key)
        for model in vectors.models()
        for page in vectors.id_pages(model, namespace)
        for key in page
        if wanted is None or key in wanted
    }


def drop(stores: DocumentStores, organization_id: str, namespaces: dict[str, list[str] | None]) -> int:
    """Empty these namespaces of an employee, or take their vectors out of those that are somebody else's now."""
    number = 0
    for namespace, among in namespaces.items():
        with stores.ledger.garbage.collection_lock(organization_id):
            gone = held(stores.vectors, namespace, among)
            number += len(gone)
            if among is None:
                stores.vectors.drop_namespace(namespace)
            else:
                for model in {model for model, _ in gone}:
                    stores.vectors.delete(model, namespace, sorted(key for m, key in gone if m == model))
    return number
