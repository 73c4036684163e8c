"""What the checks of each step find: the facts are read here, the verdicts are `domain.documents.check_verdicts`.

Each yields (name of the check, verdict).
"""

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from domain.documents import check_verdicts
from domain.documents.check_verdicts import Verdict
from operations.documents.processing import StepResources
from resources.ledger.documents.documents import Version
from resources.ledger.ledger import Ledger
from resources.objects.rows_parquet import count_rows
from resources.vectors.protocol import VectorStore

# Vectors checked per run; vector-sync compares all of them. A service lists a hundred ids a request.
MAX_EXPLAINED, MAX_EXPLAINED_OF_SERVICE = 10_000, 1_000
Verdicts = Iterator[tuple[str, Verdict]]


def check_rows(resources: StepResources, version: Version) -> Verdicts:
    with resources.objects.local(version.rows_file) as path:
        yield "rows_found", check_verdicts.rows_found(count_rows(path))


def check_plan(resources: StepResources, version: Version) -> Verdicts:
    ledger = resources.ledger
    facts = ledger.plans.facts(version)
    outcomes = {
        "kept": facts.kept_rows,
        "unchanged": facts.unchanged_rows,
        "duplicate": facts.duplicate_rows,
        "error": facts.error_rows,
    }
    in_batches = sum(batch["rows"] for batch in ledger.documents.batches(version.document_id, version.version))
    with resources.objects.local(version.rows_file) as path:
        yield "row_counts_add_up", check_verdicts.row_counts_add_up(count_rows(path), outcomes, in_batches)
    errors = ledger.lineage.errors(version) if facts.error_rows else []
    yield "no_error_rows", check_verdicts.no_error_rows(facts.error_rows, errors)


def check_embeddings(resources: StepResources, version: Version) -> Verdicts:
    ledger = resources.ledger
    batches = ledger.documents.batches(version.document_id, version.version)
    yield "batches_complete", check_verdicts.batches_complete(batches)
    yield "embeddings_sound", check_verdicts.embeddings_sound(ledger.embeddings.count_invalid(version))
    count = ledger.lineage.error_count(version, "embedding_refused")
    rejected = ledger.lineage.errors(version, "embedding_refused") if count else []
    yield "no_refused_texts", check_verdicts.no_error_rows(count, rejected)


def check_vectors(resources: StepResources, version: Version) -> Verdicts:
    ledger, vectors = resources.ledger, resources.vectors
    checked, missing = 0, []
    for namespace, page in ledger.lineage.vector_pages(version):
        checked += len(page)
        if vectors.strongly_consistent:
            missing += vectors.missing(version.model, namespace, page)
    if not vectors.strongly_consistent:  # reading at once proves nothing: what counts is what was acknowledged
        missing = [vector_id for _, page in ledger.lineage.unstored_pages(version, vectors.name) for vector_id in page]
    yield "store_holds_vectors", check_verdicts.store_holds_vectors(checked, missing)


def check_lineage(resources: StepResources, version: Version) -> Verdicts:
    yield "version_live", check_verdicts.version_live(version.version, version.live_version)
    namespaces = tuple(resources.ledger.lineage.namespaces(version))
    verdicts, key = resources.namespace_verdicts, (version.model, namespaces)
    if key not in verdicts:
        verdicts[key] = explain_vectors(resources.ledger, resources.vectors, version.model, namespaces)
    yield "vectors_explained", verdicts[key]


def explain_vectors(ledger: Ledger, vectors: VectorStore, model: str, namespaces: Sequence[str]) -> Verdict:
    """Whether lineage explains what these namespaces hold, up to a limit."""
    pages = (page for namespace in namespaces for page in vectors.id_pages(model, namespace))
    limit = MAX_EXPLAINED if vectors.strongly_consistent else MAX_EXPLAINED_OF_SERVICE
    stored = list(islice(chain.from_iterable(pages), limit))
    unexplained = ledger.lineage.unexplained(namespaces, stored, lately=not vectors.strongly_consistent)
    return check_verdicts.vectors_explained(len(stored), unexplained)
