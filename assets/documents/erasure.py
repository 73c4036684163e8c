"""Erasure: an organization or an employee, whole, with a receipt (the right to be forgotten).

Out of searches first, then out of the store, the object storage and the ledger. What an erased row said is in uploaded
files too, so they go as well: the documents that shared them keep their other rows, but cannot be read again.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic.alias_generators import to_camel

from assets.documents.cleanup import clean_up, objects_of
from pipelines.failures import Misuse
from resources.ledger.ledger import Ledger
from resources.objects.protocol import ObjectStore
from resources.uploads import uploads_folder
from resources.vectors.protocol import VectorStore


@dataclass(slots=True)
class Receipt:
    """What was erased; in a dry run, of what."""

    organization_id: str
    employee_number: str | None
    dry_run: bool
    documents: list[str] = field(default_factory=list)
    rows_erased: int = 0
    vectors_deleted: int = 0
    namespaces_affected: list[str] = field(default_factory=list)
    embeddings_deleted: int = 0
    objects_deleted: int = 0
    employees_deleted: int = 0
    templates_deleted: int = 0

    def as_json(self) -> dict[str, Any]:
        return {to_camel(name): value for name, value in asdict(self).items()}


def erase_organization(
    ledger: Ledger, vectors: VectorStore, objects: ObjectStore, organization_id: str, dry_run: bool = True
) -> Receipt:
    """Everything of an organization. Doing it again after a crash ends it; the last receipt tells what was left."""
    receipt = Receipt(organization_id, None, dry_run, ledger.erasures.documents(organization_id))
    for document_id in receipt.documents:
        gone = clean_up(ledger, vectors, objects, document_id, dry_run)
        receipt.vectors_deleted += gone.vectors_deleted
        receipt.embeddings_deleted += gone.embeddings_deleted
        receipt.objects_deleted += gone.objects_deleted
        receipt.namespaces_affected = sorted({*receipt.namespaces_affected, *gone.namespaces_affected})
    if dry_run:
        return receipt
    # files whose upload was never recorded
    keys = list(objects.keys(uploads_folder(organization_id)))
    receipt.objects_deleted += deleted(objects, set(keys) - ledger.erasures.other_uploads(organization_id, keys))
    left = ledger.erasures.erase_organization(organization_id)
    receipt.employees_deleted, receipt.templates_deleted = left["employees"], left["templates"]
    receipt.embeddings_deleted += left["embeddings"]
    return receipt


def erase_employee(
    ledger: Ledger,
    vectors: VectorStore,
    objects: ObjectStore,
    organization_id: str,
    employee_number: str,
    dry_run: bool = True,
) -> Receipt:
    """Everything of one employee, in every version of every document. Raises Misuse for one who is not in the list.

    The employee leaves the list last, so that doing it again after a crash ends it. Rows are known to be
    theirs by the template's employee column: a company-wide row that mentions them is not found.
    """
    namespace = ledger.erasures.namespace(organization_id, employee_number)
    if namespace is None:
        raise Misuse(f"Organization {organization_id} has no employee {employee_number}; see `rowline employees list`")
    touched = ledger.erasures.versions_with(organization_id, employee_number, namespace)
    receipt = Receipt(organization_id, employee_number, dry_run, [*touched], namespaces_affected=[namespace])
    if dry_run:
        return receipt
    for document_id, numbers in touched.items():
        with ledger.documents.claim(document_id):
            versions = [ledger.documents.at(document_id, number) for number in numbers]
            receipt.objects_deleted += deleted(objects, [key for v in versions for key in objects_of(objects, v)])
            erased = ledger.erasures.erase_rows(organization_id, document_id, employee_number, namespace)
            receipt.rows_erased += erased.rows
            receipt.embeddings_deleted += erased.embeddings
    with ledger.sweeps.sweeping(organization_id):
        held = {key for model in vectors.models() for page in vectors.id_pages(model, namespace) for key in page}
        vectors.drop_namespace(namespace)
        receipt.vectors_deleted = len(held)
    ledger.erasures.erase_employee(organization_id, employee_number)
    receipt.employees_deleted = 1
    return receipt


def deleted(objects: ObjectStore, keys: Iterable[str]) -> int:
    number = 0
    for key in keys:
        objects.delete(key)
        number += 1
    return number
