"""JSON of what rollback, removal, erasure and vector-sync did: of the operations' values, and of their jobs' outputs.

A job's output is JSON already, because Dagster and apps that poll an event read it without a gateway; a test holds
these fields to it.
"""

from __future__ import annotations

from typing import Self

from pydantic import AliasChoices, Field

from gateway.schemas.base import Schema
from operations.documents.removal import RemovalReport


class Rollback(Schema):
    """A document at an older version again; nothing is embedded for it."""

    document_id: str
    version: int
    rolled_back_from: int | None
    vectors_restored: int
    vectors_deleted: int
    live_after_ms: int
    embedded_inputs: int


class RollbackRequest(Schema):
    """A rollback that was accepted, and the event that carries it out."""

    document_id: str
    target_version: int
    live_version: int | None = Field(description="The version that searches show until then.")
    event_id: str = Field(description="The event document/rollback that carries it out.")


class Removal(Schema):
    """What was removed with a document, or would be in a dry run."""

    document_id: str
    dry_run: bool
    versions: list[int]
    vectors_deleted: int
    namespaces_affected: list[str]
    embeddings_deleted: int
    objects_deleted: int
    inbox_files_deleted: int
    orders_cancelled: int = Field(description="Batch jobs at OpenAI, with the files it keeps of them.")

    @classmethod
    def from_plan(cls, plan: RemovalReport) -> Self:
        return cls.model_validate(plan.as_json())


class RemovalRequest(Removal):
    """A removal that was accepted, and what it takes away."""

    event_id: str = Field(description="The event document/cleanup that carries it out.")

    @classmethod
    def from_event(cls, removal: Removal, event_id: str) -> Self:
        return cls(**{**removal.model_dump(), "dry_run": False}, event_id=event_id)


class OldVersions(Schema):
    """Versions beyond those that are stored, document by document."""

    documents: list[Removal]
    remaining: int = Field(description="Documents that still have some.")


# the older name of an erasure's output
_NOTIFICATIONS = AliasChoices("notificationsDeleted", "noticesDeleted")


class ErasureReceipt(Schema):
    """What was erased of an organization or an employee; in a dry run, of what. Null: not counted in a dry run."""

    organization_id: str
    employee_number: str | None
    dry_run: bool
    documents: list[str]
    rows_erased: int
    vectors_deleted: int
    namespaces_affected: list[str]
    embeddings_deleted: int | None
    objects_deleted: int | None
    inbox_files_deleted: int
    orders_cancelled: int
    events_deleted: int | None
    notifications_deleted: int | None = Field(validation_alias=_NOTIFICATIONS)
    notices_deleted: int | None = Field(
        validation_alias=_NOTIFICATIONS, deprecated=True, description="The same count: read `notificationsDeleted`."
    )
    employees_deleted: int
    templates_deleted: int
    arrived_meanwhile: list[str]


class VectorSync(Schema):
    """How ledger and vector store differ, and what was repaired."""

    missing: int
    orphaned: int
    stale: int
    repaired: int
    checked: int
    rewritten: int = Field(0, description="Present only if vectors were sent again.")
