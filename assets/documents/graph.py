"""The document graph: parsed_rows → batches → embeddings → namespace_vectors → lineage."""

from collections.abc import Iterator

import dagster as dg

from assets.documents.metadata import step_metadata, version_metadata, waiting_metadata
from assets.documents.partitions import documents
from assets.documents.step_context import RETRIES, version_in_work
from domain.documents.batching import PLAN_VERSION
from domain.documents.rows import ROWS_VERSION
from domain.documents.vector_metadata import METADATA_VERSION
from operations.documents import processing
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
    with version_in_work(context, ledger, begins=True) as version:
        facts = processing.read(ledger, objects, settings, version)
    return dg.MaterializeResult(metadata={**step_metadata(facts), **version_metadata(version)})


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
    with version_in_work(context, ledger) as version:
        facts = processing.plan(ledger, objects, embedder, version, context.run.run_id)
    return dg.MaterializeResult(metadata={**step_metadata(facts), **version_metadata(version)})


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
    """A vector for every text that has none yet, batch by batch, each kept before anything else can fail.

    A document that waits for an order of embeddings ends its run here, with an observation in place of a
    materialization.
    """
    with version_in_work(context, ledger) as version:
        try:
            facts = processing.embed(ledger, embedder, vectors, settings, version, context.run.run_id)
        except processing.WaitsForEmbeddingJob as wait:
            metadata = waiting_metadata(wait)
            yield dg.AssetObservation("embeddings", partition=version.document_id, metadata=metadata)
            return
    yield dg.MaterializeResult(metadata={**step_metadata(facts), **version_metadata(version)})


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
    with version_in_work(context, ledger) as version:
        facts = processing.store(ledger, vectors, version)
    return dg.MaterializeResult(metadata={**step_metadata(facts), **version_metadata(version)})


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
    with version_in_work(context, ledger) as version:
        facts = processing.make_live(ledger, vectors, embedder, version)
    return dg.MaterializeResult(metadata={**step_metadata(facts), **version_metadata(version)})
