"""Operations on documents that exist: Dagster's side of rollback, clean-up, vector-sync. Defaults are harmless."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from assets.documents.asked import for_event
from assets.documents.cleanup import clean_up, clean_up_old_versions
from assets.documents.erasure import Places, erase_employee, erase_organization
from assets.documents.partitions import vector_store
from assets.documents.rollback import roll_back
from assets.documents.steps import RETRIES, retried
from assets.documents.sync import sync_vectors
from pipelines.documents import claims
from resources.dagster_history import forget_document
from resources.inbox.bucket import BucketInbox
from resources.inbox.protocol import Inbox
from resources.ledger.ledger import Ledger
from resources.objects.protocol import ObjectStore
from resources.vectors.protocol import VectorStore


class RollbackConfig(dg.Config):
    """Which document goes back, and to which version."""

    document_id: str = Field(description="The document (its partition key).")
    to_version: int = Field(description="The completed version that is to be live again.")


class CleanupConfig(dg.Config):
    """Which documents go. Nothing is deleted while `dry_run` is set."""

    document_ids: list[str] = Field(description="The documents (partition keys).")
    dry_run: bool = Field(True, description="Tell what would go; remove nothing.")
    at_most: int = Field(500, gt=0, description="Refuse to remove more documents than this in one run.")


class OldVersionsConfig(dg.Config):
    """Which versions go. Nothing is deleted while `dry_run` is set."""

    organization_id: str | None = Field(None, description="Only documents of this organization.")
    keep: int = Field(5, ge=1, description="Completed versions of a document that are kept.")
    dry_run: bool = Field(True, description="Tell what would go; remove nothing.")
    at_most: int = Field(1000, gt=0, description="Documents looked at in one run, newest first.")


class ErasureConfig(dg.Config):
    """Who is to be forgotten. Nothing is deleted while `dry_run` is set."""

    organization_id: str = Field(description="The organization.")
    employee_number: str | None = Field(None, description="Only this employee; unset: the whole organization.")
    dry_run: bool = Field(True, description="Tell whose data would go; remove nothing.")


class SyncConfig(dg.Config):
    """Whether the store is only compared, or repaired as well."""

    repair: bool = Field(False, description="Restore what is missing, delete what nobody needs; nothing is embedded.")


@dg.op(retry_policy=RETRIES, description="One document back to an older version, from kept embeddings.")
def rolled_back_document(
    context: dg.OpExecutionContext,
    config: RollbackConfig,
    ledger: dg.ResourceParam[Ledger],
    vectors: dg.ResourceParam[VectorStore],
) -> dict[str, Any]:
    with for_event(context, ledger) as event, retried():
        told = event.output = roll_back(ledger, vectors, config.document_id, config.to_version).as_json()
    # beside the materializations of the graph: the partition's history is the document's
    context.log_event(dg.AssetMaterialization("lineage", partition=config.document_id, metadata=told))
    return told


@dg.op(retry_policy=RETRIES, description="Documents out of the store, the object storage and the ledger.")
def removed_documents(
    context: dg.OpExecutionContext,
    config: CleanupConfig,
    ledger: dg.ResourceParam[Ledger],
    vectors: dg.ResourceParam[VectorStore],
    objects: dg.ResourceParam[ObjectStore],
) -> list[dict[str, Any]]:
    if len(config.document_ids) > config.at_most:
        raise dg.Failure(
            f"{len(config.document_ids)} documents are more than at_most={config.at_most}; raise it, or name fewer",
            allow_retries=False,
        )
    told = []
    with for_event(context, ledger) as event:
        for document_id in config.document_ids:
            with retried():
                told.append(clean_up(ledger, vectors, objects, document_id, config.dry_run).as_json())
            if not config.dry_run:  # so that the list of partitions stays short
                context.instance.delete_dynamic_partition("documents", document_id)
            context.log.info(str(told[-1]))
        event.output = told[0] if len(told) == 1 else {"documents": told}
    return told


@dg.op(retry_policy=RETRIES, description="Versions beyond those that are kept, out of the ledger and object storage.")
def removed_versions(
    context: dg.OpExecutionContext,
    config: OldVersionsConfig,
    ledger: dg.ResourceParam[Ledger],
    vectors: dg.ResourceParam[VectorStore],
    objects: dg.ResourceParam[ObjectStore],
) -> list[dict[str, Any]]:
    told = []
    for version in ledger.documents.listed(config.organization_id, config.at_most):
        with retried():
            one = clean_up_old_versions(ledger, vectors, objects, version.document_id, config.keep, config.dry_run)
        if one.versions:
            told.append(one.as_json())
            context.log.info(str(told[-1]))
    return told


@dg.op(retry_policy=RETRIES, description="An organization, or one employee, out of everything, with a receipt.")
def erased_owner(
    context: dg.OpExecutionContext,
    config: ErasureConfig,
    ledger: dg.ResourceParam[Ledger],
    vectors: dg.ResourceParam[VectorStore],
    objects: dg.ResourceParam[ObjectStore],
    inbox: dg.ResourceParam[Inbox],
    bucket_inbox: dg.ResourceParam[BucketInbox | None],
) -> dict[str, Any]:
    organization, employee, dry_run = config.organization_id, config.employee_number, config.dry_run

    def forget(document_id: str) -> None:
        forget_document(context.instance, document_id, partition_too=employee is None)

    places = Places(ledger, vectors, objects, [inbox, *filter(None, [bucket_inbox])], forget)
    with retried():
        if employee is None:
            receipt = erase_organization(places, organization, datetime.now(UTC), dry_run)
        else:
            receipt = erase_employee(places, organization, employee, dry_run)
    context.log.info(str(receipt.as_json()))
    return receipt.as_json()


@dg.op(retry_policy=RETRIES, description="Ledger and store compared both ways.")
def synced_vectors(
    context: dg.OpExecutionContext,
    config: SyncConfig,
    ledger: dg.ResourceParam[Ledger],
    vectors: dg.ResourceParam[VectorStore],
) -> dict[str, Any]:
    with for_event(context, ledger), retried():  # an event is told no counts: they are of all organizations
        found = sync_vectors(ledger, vectors, config.repair)
    context.log_event(
        dg.AssetObservation(
            asset_key=vector_store.key,
            metadata={**found.as_json(), "samples": dg.MetadataValue.json(found.samples)},
        )
    )
    left = sync_vectors(ledger, vectors, repair=False) if found.repaired else found
    verdict = claims.store_matches_ledger(left.as_json(), left.samples)
    context.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=vector_store.key,
            check_name="store_matches_ledger",
            passed=verdict.holds,
            description=verdict.sentence,
            metadata={**verdict.facts, "run": context.run_id},
        )
    )
    return found.as_json()
