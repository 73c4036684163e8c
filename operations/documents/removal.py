"""What goes with a document: the one account of it, for those who ask first and for those who do it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic.alias_generators import to_camel

from domain.errors import NotFound
from resources.embedders.protocol import EmbeddingJobService
from resources.inbox.protocol import Inbox
from resources.ledger.documents.documents import Version
from resources.ledger.ledger import Ledger
from resources.objects.protocol import ObjectStore
from resources.vectors.protocol import VectorStore

# Called with a document before its rows go from the ledger, and after: what else keeps them (runs, partition keys).
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
class CleanedUp:
    """What went, or would go in a dry run (B11). Vectors that other documents' rows point at stay.

    `orders_cancelled` are orders at an embedding service: ended there, with the files it kept of them.
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


def would_go(stores: DocumentStores, *document_ids: str) -> list[CleanedUp]:
    """What removing these documents in this order would take away; nothing is touched. Of unknown ones: nothing.

    What two of them share goes with the later one.
    """
    told = []
    for document_id, going in zip(document_ids, stores.ledger.removals.going(document_ids), strict=True):
        versions, keys = parts_of(stores, document_id)
        told.append(
            CleanedUp(
                document_id,
                dry_run=True,
                versions=[version.version for version in versions],
                vectors_deleted=sum(going.vectors.values()),
                namespaces_affected=[*going.vectors],
                embeddings_deleted=going.embeddings,
                objects_deleted=len(keys),
                inbox_files_deleted=(
                    taken(stores, versions[0].organization_id, document_id, dry_run=True) if versions else 0
                ),
                orders_cancelled=len(stores.ledger.embedding_jobs.at_service([document_id])),
            )
        )
    return told


def parts_of(stores: DocumentStores, document_id: str) -> tuple[list[Version], list[str]]:
    """All versions of a document, and the objects of all of them; nothing where there is no such document."""
    versions = stores.ledger.removals.versions(document_id)
    return versions, [key for version in versions for key in objects_of(stores.objects, version)]


def check_known(versions: Sequence[object], document_id: str) -> None:
    """Raises NotFound where a document has no versions: there is none."""
    if not versions:
        raise NotFound(f"There is no document {document_id}; `rowline documents` lists them")


def objects_of(objects: ObjectStore, version: Version) -> list[str]:
    """The uploaded file and what was made of it."""
    uploaded = filter(None, [version.upload.object_key])  # an erased file is gone already
    return [*uploaded, *objects.keys(f"{version.folder}/")]


def taken(
    stores: DocumentStores,
    organization_id: str,
    document_id: str | None = None,
    versions: Sequence[int] | None = None,
    dry_run: bool = False,
) -> int:
    """Deletes what inboxes keep of a document (or of these versions), or of an organization; how many files."""
    return sum(inbox.forget(organization_id, document_id, versions, dry_run) for inbox in stores.inboxes)
