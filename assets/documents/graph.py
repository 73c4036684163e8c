"""The document graph: parsed_rows → batches → embeddings → namespace_vectors → lineage."""

from collections.abc import Iterator

import dagster as dg

from assets.documents.embedding import embed_groups
from assets.documents.metadata import money, reading_metadata, rows_preview, version_metadata
from assets.documents.ordering import awaited_orders
from assets.documents.partitions import documents
from assets.documents.steps import RETRIES, version_in_work
from assets.documents.storing import sweep, upsert_missing
from pipelines.documents.batching import PLAN_VERSION, request_groups
from pipelines.documents.costs import cost_usd, estimated_tokens
from pipelines.documents.reading.workbook import read_workbook
from pipelines.documents.rows import ROWS_VERSION, Owner, Reading, document_rows
from pipelines.documents.rows_file import read_rows, rows_digest, write_rows
from pipelines.documents.statuses import in_words
from pipelines.documents.vector_metadata import METADATA_VERSION
from pipelines.failures import PermanentFailure
from resources.embedders.protocol import Embedder
from resources.ledger.documents import Version
from resources.ledger.ledger import Ledger
from resources.objects.protocol import ObjectStore
from resources.settings import Settings
from resources.vectors.protocol import VectorStore

GROUP = "documents"
OWNERS = ["team:documents"]


def rows_key(version: Version) -> str:
    """Where the rows of a version lie in object storage."""
    return f"{version.folder}/rows.parquet"


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
        template = version.template
        owner = Owner(
            version.organization_id, version.mode, ledger.organizations.employee_namespaces(version.organization_id)
        )
        reading = Reading()
        with objects.local(version.file) as source, objects.writing(rows_key(version)) as target:
            parts = read_workbook(source, version.filename, template.layout, settings.reading_limits)
            rows = document_rows(parts, template, owner, version.model, settings.batch_rows, reading)
            summary = write_rows(target, rows)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": summary.total_rows,
            "error_rows": summary.error_rows,
            "rows_digest": summary.digest,
            "preview": rows_preview(summary.preview),
            **reading_metadata(reading),
            **version_metadata(version, objects.link(version.file)),
        }
    )


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
        with objects.local(rows_key(version)) as path:
            plan_key = f"{PLAN_VERSION}:{rows_digest(path)}"
            ledger.plans.write(version, read_rows(path), plan_key, context.run.run_id)
        facts = ledger.plans.facts(version)
    tokens = estimated_tokens(facts.input_bytes)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": facts.total_rows,
            "kept_rows": facts.kept_rows,
            "unchanged_rows": facts.unchanged_rows,
            "duplicate_rows": facts.duplicate_rows,
            "error_rows": facts.error_rows,
            "changed_rows": facts.changed_rows,
            "gone_rows": facts.gone_rows,
            "batches": facts.batches,
            "inputs_to_embed": facts.inputs,
            "estimated_tokens": tokens,
            "estimated_cost_usd": money(cost_usd(tokens, embedder.price_per_million_tokens())),
            "namespaces": facts.namespaces,
            **version_metadata(version),
        }
    )


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
        if embedder.model.key != version.model:
            raise PermanentFailure(
                f"{version.filename} was uploaded for model {version.model}, but the settings now name "
                f"{embedder.model.key}; set it back, or upload the file again as a new version"
            )
        vectors.prepare(version.model, version.dimension)  # before anything is paid
        waits_for = awaited_orders(ledger, embedder, version, context.run.run_id)
        if waits_for:
            ledger.orders.wait(version, waits_for, context.run.run_id)
            seen = {"waits_for": dg.MetadataValue.text(waits_for), **version_metadata(version)}
            yield dg.AssetObservation("embeddings", partition=version.document_id, metadata=seen)
            return
        groups = request_groups(ledger.plans.unfinished(version), settings.embed_request_inputs)
        requests = embed_groups(ledger, embedder, version, groups, settings.batches_in_flight, context.run.run_id)
        done = ledger.documents.batches(version.document_id, version.version)
    tokens, economy = sum(batch["tokens"] for batch in done), sum(batch["economyTokens"] for batch in done)
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(batch["embeddedInputs"] for batch in done),
            "batches": len(done),
            "requests": requests,
            "model": version.model,
            "dimension": version.dimension,
            "tokens": tokens,
            "cost_usd": money(cost_usd(tokens, embedder.price_per_million_tokens(), economy)),
            **version_metadata(version),
        }
    )


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
        # a sweep under way may be deleting what this version is about to rely on
        ledger.sweeps.wait(version.organization_id)
        # recorded first: from now on the plan stays, so every vector in the store has its lineage
        namespaces = ledger.lineage.record_namespaces(version)
        upserted = upsert_missing(ledger, vectors, version)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": upserted,
            "namespaces": namespaces,
            "model": version.model,
            "dimension": version.dimension,
            **version_metadata(version),
        }
    )


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
        result = ledger.live.make_live(version, embedder.price_per_million_tokens())
        if version.version > 1:
            sweep(ledger, vectors, version.organization_id, version.document_id)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": result["totalRows"],
            "error_rows": result["errorRows"],
            "outcome": in_words("completed", result["errorRows"]),
            "result": dg.MetadataValue.json(result),
            **version_metadata(version),
        }
    )
