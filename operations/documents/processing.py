"""What each step of the document graph does to one version, in a run of its own or with others.

Each returns plain facts about what it did. The caller has claimed the document.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.documents.batching import PLAN_VERSION, request_groups
from domain.documents.check_verdicts import Verdict
from domain.documents.costs import cost_usd, estimated_tokens
from domain.documents.rows import Owner, Reading, document_rows
from domain.errors import PermanentError
from formats.reading import read_workbook
from operations.documents.embedding import embed_groups
from operations.documents.embedding_jobs import run_embedding_jobs
from operations.documents.garbage_collection import sweep
from operations.documents.indexing import upsert_missing
from resources.embedders.protocol import Embedder
from resources.ledger.documents.documents import Version
from resources.ledger.indexing.plans import PlanFacts
from resources.ledger.ledger import Ledger
from resources.objects.protocol import ObjectStore
from resources.objects.rows_parquet import RowsSummary, read_rows, rows_digest, write_rows
from resources.vectors.protocol import VectorStore
from settings.settings import Settings


class NotGiven:
    """In place of a resource that an asset does not require, so that Dagster does not open it."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"The step was not given the resource of which it uses `{name}`; its asset requires it")


NOT_GIVEN: Any = NotGiven()
# (model, namespaces) → the verdict about them, which documents that are checked together share
NamespaceVerdicts = dict[tuple[str, tuple[str, ...]], Verdict]


@dataclass(frozen=True, slots=True)
class StepResources:
    """What the steps of the document graph and their checks work with; each is given what it uses."""

    ledger: Ledger
    objects: ObjectStore = NOT_GIVEN
    settings: Settings = NOT_GIVEN
    embedder: Embedder = NOT_GIVEN
    vectors: VectorStore = NOT_GIVEN
    namespace_verdicts: NamespaceVerdicts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowsRead:
    """What was read of the uploaded file. `link` leads to the file."""

    summary: RowsSummary
    reading: Reading
    link: str


@dataclass(frozen=True, slots=True)
class BatchesPlanned:
    """What embedding the version takes. The cost is an estimate; None if the price of the model is not known."""

    plan: PlanFacts
    estimated_tokens: int
    estimated_cost_usd: float | None


@dataclass(frozen=True, slots=True)
class TextsEmbedded:
    """What was embedded for the version, by this run and by those before it."""

    inputs: int
    batches: int
    requests: int  # of this run
    model: str
    dimension: int
    tokens: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class VectorsStored:
    """How many vectors the store lacked, and how many namespaces the version has."""

    upserted: int
    namespaces: int
    model: str
    dimension: int


@dataclass(frozen=True, slots=True)
class MadeLive:
    """The result of the version, as its status shows it."""

    result: Mapping[str, Any]


Facts = RowsRead | BatchesPlanned | TextsEmbedded | VectorsStored | MadeLive


class WaitsForEmbeddingJob(Exception):
    """The version waits for an embedding job; its run ends here. `reason` is a sentence for people."""

    def __init__(self, reason: str, version: Version) -> None:
        super().__init__(reason)
        self.reason, self.version = reason, version


def read(resources: StepResources, version: Version, _run_id: str) -> RowsRead:
    """The rows of the uploaded file, into object storage."""
    ledger, objects, settings = resources.ledger, resources.objects, resources.settings
    template, organization_id = version.template, version.organization_id
    split = version.mode == "employee_split"
    namespaces = ledger.organizations.employee_namespaces(organization_id) if split else {}
    owner, reading = Owner(organization_id, version.mode, namespaces), Reading()
    with objects.local(version.file) as source, objects.writing(version.rows_file) as target:
        parts = read_workbook(source, version.filename, template.layout, settings.reading_limits)
        rows = document_rows(parts, template, owner, version.model, settings.batch_rows, reading)
        summary = write_rows(target, rows)
    return RowsRead(summary, reading, objects.link(version.file))


def plan(resources: StepResources, version: Version, run_id: str) -> BatchesPlanned:
    """Each row kept, unchanged, duplicate or error, cut into batches, into the ledger."""
    plans = resources.ledger.plans
    with resources.objects.local(version.rows_file) as path:
        plan_key = f"{PLAN_VERSION}:{rows_digest(path)}"
        plans.write(version, read_rows(path), plan_key, run_id)
    facts = plans.facts(version)
    tokens = estimated_tokens(facts.input_bytes)
    return BatchesPlanned(facts, tokens, cost_usd(tokens, resources.embedder.price_per_million_tokens()))


def embed(resources: StepResources, version: Version, run_id: str) -> TextsEmbedded:
    """A vector for every text that has none yet, each batch stored.

    Raises WaitsForEmbeddingJob if a service may take its time, PermanentError if the settings name another model.
    """
    ledger, embedder, settings = resources.ledger, resources.embedder, resources.settings
    if embedder.model.key != version.model:
        raise PermanentError(
            f"{version.filename} was uploaded for model {version.model}, but the settings now name "
            f"{embedder.model.key}; set it back, or upload the file again as a new version"
        )
    resources.vectors.prepare(version.model, version.dimension)  # before anything is paid
    waiting_reason = run_embedding_jobs(ledger, embedder, version, run_id)
    if waiting_reason:
        ledger.embedding_jobs.wait(version, waiting_reason, run_id)
        raise WaitsForEmbeddingJob(waiting_reason, version)
    groups = request_groups(ledger.plans.unfinished(version), settings.embed_request_inputs)
    requests = embed_groups(ledger, embedder, version, groups, settings.batches_in_flight, run_id)
    batches = ledger.documents.batches(version.document_id, version.version)
    tokens, economy = sum(batch["tokens"] for batch in batches), sum(batch["economyTokens"] for batch in batches)
    return TextsEmbedded(
        inputs=sum(batch["embeddedInputs"] for batch in batches),
        batches=len(batches),
        requests=requests,
        model=version.model,
        dimension=version.dimension,
        tokens=tokens,
        cost_usd=cost_usd(tokens, embedder.price_per_million_tokens(), economy),
    )


def store(resources: StepResources, version: Version, _run_id: str) -> VectorsStored:
    """The version's vectors, into the store."""
    ledger = resources.ledger
    # a sweep in progress may be deleting what this version is about to rely on
    ledger.garbage.wait(version.organization_id)
    # recorded first: from now on the plan stays, so every vector in the store has its lineage
    namespaces = ledger.lineage.record_namespaces(version)
    upserted = upsert_missing(ledger, resources.vectors, version)
    return VectorsStored(upserted, namespaces, version.model, version.dimension)


def make_live(resources: StepResources, version: Version, _run_id: str) -> MadeLive:
    """The live version is this one; what only older ones pointed at is swept."""
    ledger, price = resources.ledger, resources.embedder.price_per_million_tokens()
    result = ledger.live_versions.make_live(version, price)
    if version.version > 1:
        sweep(ledger, resources.vectors, version.organization_id, version.document_id)
    return MadeLive(result)
