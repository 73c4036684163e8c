"""The document graph: parsed_rows → batches → embeddings → namespace_vectors → lineage."""

from collections.abc import Iterator

import dagster as dg

from assets.documents.metadata import waiting_metadata
from assets.documents.partitions import documents
from assets.documents.step_context import RETRIES, run_step
from domain.documents.batching import PLAN_VERSION
from domain.documents.rows import ROWS_VERSION
from domain.documents.vector_metadata import METADATA_VERSION
from operations.documents.processing import StepResources, WaitsForEmbeddingJob
from operations.documents.steps import BATCHES, EMBEDDINGS, LINEAGE, NAMESPACE_VECTORS, PARSED_ROWS
from resources.embedders.protocol import Embedder
from resources.ledger.ledger import Ledger
from resources.objects.protocol import ObjectStore
from resources.vectors.protocol import VectorStore
from settings.settings import Settings

GROUP = "documents"
OWNERS = ["team:documents"]


@dg.asset(
    partitions_def=documents,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet"},
    code_version=ROWS_VERSION,
    pool="reading",
    retry_policy=RETRIES,
)
def parsed_rows(
    context: dg.AssetExecutionContext,
    ledger: dg.ResourceParam[Ledger],
    objects: dg.ResourceParam[ObjectStore],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[None]:
    """Every row of the uploaded workbook, in reading order, with its text, address, owner or error."""
    return run_step(context, PARSED_ROWS, StepResources(ledger, objects, settings))


@dg.asset(
    partitions_def=documents,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    code_version=PLAN_VERSION,
    deps=[parsed_rows],
    retry_policy=RETRIES,
)
def batches(
    context: dg.AssetExecutionContext,
    ledger: dg.ResourceParam[Ledger],
    objects: dg.ResourceParam[ObjectStore],
    embedder: dg.ResourceParam[Embedder],
) -> dg.MaterializeResult[None]:
    """The plan: each row kept, unchanged, duplicate or error, cut into batches, and what embedding it will cost."""
    return run_step(context, BATCHES, StepResources(ledger, objects, embedder=embedder))


@dg.asset(
    partitions_def=documents,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    code_version="1",
    deps=[batches],
    pool="embedding_api",
    retry_policy=RETRIES,
    output_required=False,
)
def embeddings(
    context: dg.AssetExecutionContext,
    ledger: dg.ResourceParam[Ledger],
    embedder: dg.ResourceParam[Embedder],
    vectors: dg.ResourceParam[VectorStore],
    settings: dg.ResourceParam[Settings],
) -> Iterator[dg.MaterializeResult[None] | dg.AssetObservation]:
    """A vector for every text that has none yet, batch by batch, each stored before anything else can fail.

    A document that waits for an embedding job ends its run here, with an observation in place of a
    materialization.
    """
    resources = StepResources(ledger, embedder=embedder, vectors=vectors, settings=settings)
    try:
        result = run_step(context, EMBEDDINGS, resources)
    except WaitsForEmbeddingJob as wait:
        yield dg.AssetObservation("embeddings", partition=context.partition_key, metadata=waiting_metadata(wait))
        return
    yield result


@dg.asset(
    partitions_def=documents,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"vectors"},
    code_version=METADATA_VERSION,
    deps=[embeddings],
    retry_policy=RETRIES,
)
def namespace_vectors(
    context: dg.AssetExecutionContext,
    ledger: dg.ResourceParam[Ledger],
    vectors: dg.ResourceParam[VectorStore],
) -> dg.MaterializeResult[None]:
    """The version's vectors in the store, in the namespaces of their owners: what is missing is upserted."""
    return run_step(context, NAMESPACE_VECTORS, StepResources(ledger, vectors=vectors))


@dg.asset(
    partitions_def=documents,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    code_version="1",
    deps=[namespace_vectors],
    retry_policy=RETRIES,
)
def lineage(
    context: dg.AssetExecutionContext,
    ledger: dg.ResourceParam[Ledger],
    vectors: dg.ResourceParam[VectorStore],
    embedder: dg.ResourceParam[Embedder],
) -> dg.MaterializeResult[None]:
    """The live version: flipped in one transaction, what only older versions pointed at swept from the store."""
    return run_step(context, LINEAGE, StepResources(ledger, vectors=vectors, embedder=embedder))
