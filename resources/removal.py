"""What goes with a document: the one account of it, for those who ask first and for those who do it."""

from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic.alias_generators import to_camel

from pipelines.failures import NotFound
from resources.ledger.documents import Version
from resources.ledger.ledger import Ledger
from resources.objects.protocol import ObjectStore


@dataclass(frozen=True, slots=True)
class CleanedUp:
    """What went, or would go in a dry run (B11). Vectors that other documents' rows point at stay."""

    document_id: str
    dry_run: bool
    versions: list[int] = field(default_factory=list)
    vectors_deleted: int = 0
    namespaces_affected: list[str] = field(default_factory=list)
    embeddings_deleted: int = 0
    objects_deleted: int = 0

    def as_json(self) -> dict[str, Any]:
        return {to_camel(name): value for name, value in asdict(self).items()}


def would_go(ledger: Ledger, objects: ObjectStore, document_id: str) -> CleanedUp:
    """What removing the document would take away; nothing is touched. Raises NotFound for an unknown document."""
    versions, keys = parts_of(ledger, objects, document_id)
    counts = ledger.removals.removable(document_id)
    numbers = [version.version for version in versions]
    return CleanedUp(document_id, True, numbers, sum(counts.values()), [*counts], 0, len(keys))


def parts_of(ledger: Ledger, objects: ObjectStore, document_id: str) -> tuple[list[Version], list[str]]:
    """All versions of a document, and the objects of all of them. Raises NotFound for an unknown document."""
    versions = ledger.removals.versions(document_id)
    if not versions:
        raise NotFound(f"There is no document {document_id}; `rowline documents` lists them")
    return versions, [key for version in versions for key in objects_of(objects, version)]


def objects_of(objects: ObjectStore, version: Version) -> list[str]:
    """The uploaded file and what was made of it."""
    return [*filter(None, [version.object_key]), *objects.keys(f"{version.folder}/")]  # an erased file is gone already
