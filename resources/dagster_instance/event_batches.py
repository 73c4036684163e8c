"""Events of many partitions in one write to Dagster's event log; its public API writes one event at a time."""

from collections.abc import Sequence
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as TargetMaterialization,
)
from dagster._core.events import DagsterEventBatchMetadata

__all__ = ["TargetMaterialization", "latest_materializations", "log_check_evaluations", "log_materializations"]


def log_materializations(context: dg.OpExecutionContext, materializations: Sequence[dg.AssetMaterialization]) -> None:
    """Write all of them at once."""
    step, batch, last = context.get_step_execution_context(), str(uuid4()), len(materializations) - 1
    for index, materialization in enumerate(materializations):
        part = DagsterEventBatchMetadata(batch, index == last)
        dg.DagsterEvent.asset_materialization(step, materialization, part)


def log_check_evaluations(context: dg.OpExecutionContext, evaluations: Sequence[dg.AssetCheckEvaluation]) -> None:
    """Write all of them at once, if the event log accepts batches of checks (Dagster's own does not)."""
    step, batch, last = context.get_step_execution_context(), str(uuid4()), len(evaluations) - 1
    batches_checks = getattr(context.instance.event_log_storage, "supports_check_batches", False)
    for index, evaluation in enumerate(evaluations):
        part = DagsterEventBatchMetadata(batch, index == last) if batches_checks else None
        verdict = "passed" if evaluation.passed else "did not pass"
        check = f"Asset check '{evaluation.check_name}' on {evaluation.asset_key.to_user_string()}"
        message = f"{check} {verdict}: {evaluation.description}"
        dg.DagsterEvent.from_step(dg.DagsterEventType.ASSET_CHECK_EVALUATION, step, evaluation, message, part)


def latest_materializations(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partitions: Sequence[str]
) -> dict[str | None, TargetMaterialization]:
    """Partition → its latest materialization, in the form in which Dagster links a check to what it judged."""
    if not partitions:
        return {}
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, asset_partitions=partitions), limit=2 * len(partitions)
    ).records
    return {
        record.partition_key: TargetMaterialization(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for record in reversed(records)  # the newest last
    }
