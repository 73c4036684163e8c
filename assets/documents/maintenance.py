"""Maintenance of documents: the ops of rollback, removal, erasure, vector-sync. Defaults change nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from assets.documents.event_jobs import for_event
from assets.documents.partitions import vector_store
from assets.documents.step_context import RETRIES, retried
from domain.documents import check_verdicts
from operations.documents.erasure import erase_employee, erase_organization
from operations.documents.removal import (
    DocumentStores,
    RemovalReport,
    plan_removal,
    remove_documents,
    remove_old_versions_of_all,
)
from operations.documents.rollback import roll_back
from operations.documents.vector_sync import left_over, sync_vectors
from resources.dagster_instance.history import delete_history
from resources.ledger.ledger import Ledger
from resources.vectors.protocol import VectorStore


class RollbackConfig(dg.Config):
    """Which document is rolled back, and to which version."""

    document_id: str = Field(description="The document (its partition key).")
    to_version: int = Field(description="The completed version that is to be live again.")


class CleanupConfig(dg.Config):
    """Which documents are removed. Nothing is deleted while `dry_run` is set."""

    document_ids: list[str] = Field(description="The documents (partition keys).")
    dry_run: bool = Field(True, description="Report what would be removed; remove nothing.")
    at_most: int = Field(500, gt=0, description="Refuse to remove more documents than this in one run.")


class OldVersionsConfig(dg.Config):
    """Which versions are removed. Nothing is deleted while `dry_run` is set."""

    organization_id: str | None = Field(None, description="Only documents of this organization.")
    keep: int = Field(5, ge=1, description="Completed versions of a document that are kept.")
    dry_run: bool = Field(True, description="Report what would be removed; remove nothing.")
    at_most: int = Field(1000, gt=0, description="Documents with old versions that one run handles, oldest first.")


class ErasureConfig(dg.Config):
    """Who is to be forgotten. Nothing is deleted while `dry_run` is set."""

    organization_id: str = Field(description="The organization.")
    employee_number: str | None = Field(None, description="Only this employee; unset: the whole organization.")
    dry_run: bool = Field(True, description="Report whose data would be erased; erase nothing.")


class SyncConfig(dg.Config):
    """Whether the store is only compared, or repaired as well."""

    repair: bool = Field(False, description="Restore what is missing, delete what nobody needs; nothing is embedded.")
    rewrite: bool = Field(False, description="With `repair`: send every expected vector again, whatever is there.")


@dg.op(retry_policy=RETRIES, description="One document back to an older version, from stored embeddings.")
def rolled_back_document(
    context: dg.OpExecutionContext,
    config: RollbackConfig,
    ledger: dg.ResourceParam[Ledger],
    vectors: dg.ResourceParam[VectorStore],
) -> dict[str, Any]:
    with for_event(context, ledger) as event, retried():
        output = event.output = roll_back(ledger, vectors, config.document_id, config.to_version).as_json()
    # beside the materializations of the graph: the partition's history is the document's
    context.log_event(dg.AssetMaterialization("lineage", partition=config.document_id, metadata=output))
    return output


@dg.op(retry_policy=RETRIES, description="Documents out of the store, the object storage and the ledger.")
def removed_documents(
    context: dg.OpExecutionContext, config: CleanupConfig, document_stores: dg.ResourceParam[DocumentStores]
) -> list[dict[str, Any]]:
    if len(config.document_ids) > config.at_most:
        raise dg.Failure(
            f"{len(config.document_ids)} documents are more than at_most={config.at_most}; raise it, or name fewer",
            allow_retries=False,
        )
    document_ids = [*dict.fromkeys(config.document_ids)]

    def on_removed(report: RemovalReport) -> None:
        context.instance.delete_dynamic_partition("documents", report.document_id)  # so that their list stays short
        context.log.info(str(report.as_json()))

    with for_event(context, document_stores.ledger) as event, retried():
        if config.dry_run:
            reports = plan_removal(document_stores, *document_ids)
        else:
            reports = remove_documents(document_stores, document_ids, on_removed)
        output = [report.as_json() for report in reports]
        event.output = output[0] if len(output) == 1 else {"documents": output}
    return output


@dg.op(retry_policy=RETRIES, description="Versions beyond those that are kept, out of the ledger and object storage.")
def removed_versions(
    context: dg.OpExecutionContext, config: OldVersionsConfig, document_stores: dg.ResourceParam[DocumentStores]
) -> dict[str, Any]:
    def on_removed(report: RemovalReport) -> None:
        context.log.info(str(report.as_json()))

    which = config.organization_id, config.keep, config.at_most
    with retried():
        reports, remaining = remove_old_versions_of_all(document_stores, *which, config.dry_run, on_removed)
    return {"documents": [report.as_json() for report in reports], "remaining": remaining}


@dg.op(retry_policy=RETRIES, description="An organization, or one employee, out of everything, with a receipt.")
def erased_owner(
    context: dg.OpExecutionContext, config: ErasureConfig, document_stores: dg.ResourceParam[DocumentStores]
) -> dict[str, Any]:
    organization, employee, dry_run = config.organization_id, config.employee_number, config.dry_run

    def forget(document_id: str) -> None:
        delete_history(context.instance, document_id, partition_too=employee is None)

    document_stores = replace(document_stores, forget=forget)
    with retried():
        if employee is None:
            receipt = erase_organization(document_stores, organization, datetime.now(UTC), dry_run)
        else:
            receipt = erase_employee(document_stores, organization, employee, dry_run)
    context.log.info(str(receipt.as_json()))
    return receipt.as_json()


@dg.op(retry_policy=RETRIES, description="Ledger and store compared both ways.")
def synced_vectors(
    context: dg.OpExecutionContext,
    config: SyncConfig,
    ledger: dg.ResourceParam[Ledger],
    vectors: dg.ResourceParam[VectorStore],
) -> dict[str, Any]:
    with for_event(context, ledger), retried():  # no counts for the event: they are of all organizations
        report = sync_vectors(ledger, vectors, config.repair, config.rewrite)
        left = left_over(ledger, vectors, report)
    context.log_event(
        dg.AssetObservation(
            asset_key=vector_store.key,
            metadata={**report.as_json(), "samples": dg.MetadataValue.json(report.samples)},
        )
    )
    verdict = check_verdicts.store_matches_ledger(left.as_json(), left.samples)
    context.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=vector_store.key,
            check_name="store_matches_ledger",
            passed=verdict.holds,
            description=verdict.sentence,
            metadata={**verdict.facts, "run": context.run_id},
        )
    )
    with retried():
        report.failures.raise_if_any()
    return report.as_json()
