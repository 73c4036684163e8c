"""Asset checks of the document graph. Blocking if the next step would spread the damage."""

from collections.abc import Iterator

import dagster as dg

from assets.documents.graph import batches, embeddings, lineage, namespace_vectors, parsed_rows
from assets.documents.partitions import vector_store
from assets.documents.step_context import RETRIES, retried
from domain.documents import check_verdicts
from domain.documents.check_verdicts import Verdict
from operations.documents.processing import StepResources
from operations.documents.steps import BATCHES, EMBEDDINGS, LINEAGE, NAMESPACE_VECTORS, PARSED_ROWS, Step
from operations.documents.vector_sync import sync_vectors
from resources.ledger.ledger import Ledger
from resources.objects.protocol import ObjectStore
from resources.vectors.protocol import VectorStore

WARNINGS = {"no_error_rows", "no_refused_texts"}  # the other rows of the document are fine


def check_step(
    context: dg.AssetCheckExecutionContext, step: Step, resources: StepResources
) -> Iterator[dg.AssetCheckResult]:
    """Judge the version that the run worked on; run alone, the newest one.

    The document is claimed meanwhile, which shows that the run lives.
    """
    document_id = context.op_execution_context.partition_key
    documents = resources.ledger.documents
    with retried(), documents.claim(document_id):
        for name, verdict in step.checks(resources, documents.current_for_run(document_id, context.run.run_id)):
            yield check_result(name, verdict)


def check_result(name: str, verdict: Verdict) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=verdict.holds,
        severity=dg.AssetCheckSeverity.WARN if name in WARNINGS else dg.AssetCheckSeverity.ERROR,
        description=verdict.sentence,
        metadata=dict(verdict.facts),
    )


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec("rows_found", asset=parsed_rows, blocking=True, description="The file has rows."),
    ],
    retry_policy=RETRIES,
)
def parsed_rows_checks(
    context: dg.AssetCheckExecutionContext,
    ledger: dg.ResourceParam[Ledger],
    objects: dg.ResourceParam[ObjectStore],
) -> Iterator[dg.AssetCheckResult]:
    yield from check_step(context, PARSED_ROWS, StepResources(ledger, objects))


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "row_counts_add_up",
            asset=batches,
            blocking=True,
            description="Kept, unchanged, duplicate and error rows add up to the rows of the file.",
        ),
        dg.AssetCheckSpec(
            "no_error_rows", asset=batches, description="Every row could be used; if not, which and why."
        ),
    ],
    retry_policy=RETRIES,
)
def batches_checks(
    context: dg.AssetCheckExecutionContext,
    ledger: dg.ResourceParam[Ledger],
    objects: dg.ResourceParam[ObjectStore],
) -> Iterator[dg.AssetCheckResult]:
    yield from check_step(context, BATCHES, StepResources(ledger, objects))


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec("batches_complete", asset=embeddings, blocking=True, description="Every batch is complete."),
        dg.AssetCheckSpec(
            "embeddings_sound",
            asset=embeddings,
            blocking=True,
            description="Every text has a vector of the model's dimension, finite and not zero.",
        ),
        dg.AssetCheckSpec(
            "no_refused_texts", asset=embeddings, description="The embedder took every text; if not, whose and why."
        ),
    ],
    retry_policy=RETRIES,
)
def embeddings_checks(
    context: dg.AssetCheckExecutionContext, ledger: dg.ResourceParam[Ledger]
) -> Iterator[dg.AssetCheckResult]:
    yield from check_step(context, EMBEDDINGS, StepResources(ledger))


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "store_holds_vectors",
            asset=namespace_vectors,
            blocking=True,
            description="Every vector that the version points at is in the store.",
        ),
    ],
    retry_policy=RETRIES,
)
def namespace_vectors_checks(
    context: dg.AssetCheckExecutionContext,
    ledger: dg.ResourceParam[Ledger],
    vectors: dg.ResourceParam[VectorStore],
) -> Iterator[dg.AssetCheckResult]:
    yield from check_step(context, NAMESPACE_VECTORS, StepResources(ledger, vectors=vectors))


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec("version_live", asset=lineage, description="The processed version is the live one."),
        dg.AssetCheckSpec(
            "vectors_explained",
            asset=lineage,
            description="Every vector in the document's namespaces has a live row that it came from.",
        ),
    ],
    retry_policy=RETRIES,
)
def lineage_checks(
    context: dg.AssetCheckExecutionContext,
    ledger: dg.ResourceParam[Ledger],
    vectors: dg.ResourceParam[VectorStore],
) -> Iterator[dg.AssetCheckResult]:
    yield from check_step(context, LINEAGE, StepResources(ledger, vectors=vectors))


@dg.asset_check(
    asset=vector_store.key,
    description="The whole store agrees with the ledger, over all documents; `rowline sync-vectors --repair` mends it.",
    retry_policy=RETRIES,
)
def store_matches_ledger(
    ledger: dg.ResourceParam[Ledger], vectors: dg.ResourceParam[VectorStore]
) -> dg.AssetCheckResult:
    """Run by hand, or with the job `vector_sync`: in a document's run, each would pay for all others."""
    with retried():
        report = sync_vectors(ledger, vectors, repair=False)
    return check_result("store_matches_ledger", check_verdicts.store_matches_ledger(report.as_json(), report.samples))
