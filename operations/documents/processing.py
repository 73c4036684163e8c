"""What each step of the document graph does to one version, however many versions its run has.

Each returns the metadata of its materialization. The version is claimed by the caller.
"""

from collections.abc import Mapping

import dagster as dg

from assets.documents.metadata import money, reading_metadata, rows_preview, version_metadata
from domain.documents.batching import PLAN_VERSION, request_groups
from domain.documents.costs import cost_usd, estimated_tokens
from domain.documents.rows import Owner, Reading, document_rows
from domain.documents.statuses import in_words
from domain.errors import PermanentFailure
from formats.reading import read_workbook
from operations.documents.embedding import embed_groups
from operations.documents.embedding_jobs import awaited_orders
from operations.documents.indexing import sweep, upsert_missing
from resources.embedders.protocol import Embedder
from resources.ledger.documents.documents import Version
from resources.ledger.ledger import Ledger
from resources.objects.protocol import ObjectStore
from resources.objects.rows_parquet import read_rows, rows_digest, write_rows
from resources.vectors.protocol import VectorStore
from settings.settings import Settings

Metadata = Mapping[str, dg.MetadataValue | int | str]


class Waits(Exception):
    """The version waits for an order of embeddings; its run ends here. `metadata` says what for."""

    def __init__(self, metadata: Metadata) -> None:
        super().__init__("waits for an order of embeddings")
        self.metadata = metadata


def rows_key(version: Version) -> str:
    """Where the rows of a version lie in object storage."""
    return f"{version.folder}/rows.parquet"


def read(ledger: Ledger, objects: ObjectStore, settings: Settings, version: Version) -> Metadata:
    """The rows of the uploaded file, into object storage."""
    template = version.template
    organization_id, split = version.organization_id, version.mode == "employee_split"
    owner = Owner(
        organization_id, version.mode, ledger.organizations.employee_namespaces(organization_id) if split else {}
    )
    reading = Reading()
    with objects.local(version.file) as source, objects.writing(rows_key(version)) as target:
        parts = read_workbook(source, version.filename, template.layout, settings.reading_limits)
        rows = document_rows(parts, template, owner, version.model, settings.batch_rows, reading)
        summary = write_rows(target, rows)
    return {
        "dagster/row_count": summary.total_rows,
        "error_rows": summary.error_rows,
        "rows_digest": summary.digest,
        "preview": rows_preview(summary.preview),
        **reading_metadata(reading),
        **version_metadata(version, objects.link(version.file)),
    }


def plan(ledger: Ledger, objects: ObjectStore, embedder: Embedder, version: Version, run_id: str) -> Metadata:
    """What is kept, unchanged, duplicate or error, cut into batches, into the ledger."""
    with objects.local(rows_key(version)) as path:
        plan_key = f"{PLAN_VERSION}:{rows_digest(path)}"
        ledger.plans.write(version, read_rows(path), plan_key, run_id)
    facts = ledger.plans.facts(version)
    tokens = estimated_tokens(facts.input_bytes)
    return {
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


def embed(
    ledger: Ledger, embedder: Embedder, vectors: VectorStore, settings: Settings, version: Version, run_id: str
) -> Metadata:
    """A vector for every text that has none yet, each batch kept. Raises Waits where a service may take its time."""
    if embedder.model.key != version.model:
        raise PermanentFailure(
            f"{version.filename} was uploaded for model {version.model}, but the settings now name "
            f"{embedder.model.key}; set it back, or upload the file again as a new version"
        )
    vectors.prepare(version.model, version.dimension)  # before anything is paid
    waits_for = awaited_orders(ledger, embedder, version, run_id)
    if waits_for:
        ledger.orders.wait(version, waits_for, run_id)
        raise Waits({"waits_for": dg.MetadataValue.text(waits_for), **version_metadata(version)})
    groups = request_groups(ledger.plans.unfinished(version), settings.embed_request_inputs)
    requests = embed_groups(ledger, embedder, version, groups, settings.batches_in_flight, run_id)
    done = ledger.documents.batches(version.document_id, version.version)
    tokens, economy = sum(batch["tokens"] for batch in done), sum(batch["economyTokens"] for batch in done)
    return {
        "dagster/row_count": sum(batch["embeddedInputs"] for batch in done),
        "batches": len(done),
        "requests": requests,
        "model": version.model,
        "dimension": version.dimension,
        "tokens": tokens,
        "cost_usd": money(cost_usd(tokens, embedder.price_per_million_tokens(), economy)),
        **version_metadata(version),
    }


def store(ledger: Ledger, vectors: VectorStore, version: Version) -> Metadata:
    """The version's vectors, into the store."""
    # a sweep under way may be deleting what this version is about to rely on
    ledger.sweeps.wait(version.organization_id)
    # recorded first: from now on the plan stays, so every vector in the store has its lineage
    namespaces = ledger.lineage.record_namespaces(version)
    upserted = upsert_missing(ledger, vectors, version)
    return {
        "dagster/row_count": upserted,
        "namespaces": namespaces,
        "model": version.model,
        "dimension": version.dimension,
        **version_metadata(version),
    }


def make_live(ledger: Ledger, vectors: VectorStore, embedder: Embedder, version: Version) -> Metadata:
    """The live version is this one; what only older ones pointed at is swept."""
    result = ledger.live.make_live(version, embedder.price_per_million_tokens())
    if version.version > 1:
        sweep(ledger, vectors, version.organization_id, version.document_id)
    return {
        "dagster/row_count": result["totalRows"],
        "error_rows": result["errorRows"],
        "outcome": in_words("completed", result["errorRows"]),
        "result": dg.MetadataValue.json(result),
        **version_metadata(version),
    }
