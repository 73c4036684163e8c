"""Asset checks of the document graph: the facts are read here, the verdicts are `domain.documents.check_verdicts`.

Blocking where the next step would spread the damage.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice

import dagster as dg

from assets.documents.graph import batches, embeddings, lineage, namespace_vectors, parsed_rows
from assets.documents.partitions import vector_store
from assets.documents.step_context import RETRIES, retried
from domain.documents import check_verdicts
from domain.documents.check_verdicts import Verdict
from operations.documents.vector_sync import sync_vectors
from resources.ledger.documents.documents import Version
from resources.ledger.indexing.embeddings import REJECTED_PREFIX
from resources.ledger.ledger import Ledger
from resources.objects.protocol import ObjectStore
from resources.objects.rows_parquet import count_rows
from resources.vectors.protocol import VectorStore

# Vectors looked at per run; vector-sync looks at all of them. A service lists a hundred ids a request.
EXPLAINED_AT_MOST, EXPLAINED_BY_SERVICE = 10_000, 1_000
# Model and namespaces → what was found there, for documents of a group that are checked together.
Explained = dict[tuple[str, tuple[str, ...]], Verdict]


@contextmanager
def _version(context: dg.AssetCheckExecutionContext, ledger: Ledger) -> Iterator[Version]:
    """The version that the run worked on; run alone, the newest. Claimed, which shows that the run lives."""
    document_id = context.op_execution_context.partition_key
    with retried(), ledger.documents.claim(document_id):
        yield ledger.documents.current_for_run(document_id, context.run.run_id)


def _result(
    verdict: Verdict, name: str, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=verdict.holds,
        severity=severity,
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
    with _version(context, ledger) as version:
        yield from of_rows(objects, version)


def of_rows(objects: ObjectStore, version: Version) -> Iterator[dg.AssetCheckResult]:
    with objects.local(version.rows_file) as path:
        yield _result(check_verdicts.rows_found(count_rows(path)), "rows_found")


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
    with _version(context, ledger) as version:
        yield from of_plan(ledger, objects, version)


def of_plan(ledger: Ledger, objects: ObjectStore, version: Version) -> Iterator[dg.AssetCheckResult]:
    facts = ledger.plans.facts(version)
    outcomes = {
        "kept": facts.kept_rows,
        "unchanged": facts.unchanged_rows,
        "duplicate": facts.duplicate_rows,
        "error": facts.error_rows,
    }
    in_batches = sum(batch["rows"] for batch in ledger.documents.batches(version.document_id, version.version))
    with objects.local(version.rows_file) as path:
        yield _result(check_verdicts.row_counts_add_up(count_rows(path), outcomes, in_batches), "row_counts_add_up")
    errors = ledger.lineage.errors(version) if facts.error_rows else []
    yield _result(check_verdicts.no_error_rows(facts.error_rows, errors), "no_error_rows", dg.AssetCheckSeverity.WARN)


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
    with _version(context, ledger) as version:
        yield from of_embeddings(ledger, version)


def of_embeddings(ledger: Ledger, version: Version) -> Iterator[dg.AssetCheckResult]:
    done = ledger.documents.batches(version.document_id, version.version)
    yield _result(check_verdicts.batches_complete(done), "batches_complete")
    yield _result(check_verdicts.embeddings_sound(ledger.embeddings.count_invalid(version)), "embeddings_sound")
    count = ledger.lineage.error_count(version, REJECTED_PREFIX)
    refused = ledger.lineage.errors(version, REJECTED_PREFIX) if count else []
    yield _result(check_verdicts.no_error_rows(count, refused), "no_refused_texts", dg.AssetCheckSeverity.WARN)


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
    with _version(context, ledger) as version:
        yield from of_vectors(ledger, vectors, version)


def of_vectors(ledger: Ledger, vectors: VectorStore, version: Version) -> Iterator[dg.AssetCheckResult]:
    checked, missing = 0, []
    for namespace, page in ledger.lineage.vector_pages(version):
        checked += len(page)
        if vectors.strongly_consistent:
            missing += vectors.missing(version.model, namespace, page)
    if not vectors.strongly_consistent:  # reading at once proves nothing: what counts is what was acknowledged
        missing = [vector_id for _, page in ledger.lineage.unstored_pages(version, vectors.name) for vector_id in page]
    yield _result(check_verdicts.store_holds_vectors(checked, missing), "store_holds_vectors")


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
    with _version(context, ledger) as version:
        yield from of_lineage(ledger, vectors, version)


def of_lineage(
    ledger: Ledger, vectors: VectorStore, version: Version, explained: Explained | None = None
) -> Iterator[dg.AssetCheckResult]:
    yield _result(check_verdicts.version_live(version.version, version.live_version), "version_live")
    explained = {} if explained is None else explained
    namespaces = tuple(ledger.lineage.namespaces(version))
    if (version.model, namespaces) not in explained:
        explained[version.model, namespaces] = _explained(ledger, vectors, version.model, namespaces)
    yield _result(explained[version.model, namespaces], "vectors_explained")


def _explained(ledger: Ledger, vectors: VectorStore, model: str, namespaces: Sequence[str]) -> Verdict:
    pages = (page for namespace in namespaces for page in vectors.id_pages(model, namespace))
    held = list(
        islice(chain.from_iterable(pages), EXPLAINED_AT_MOST if vectors.strongly_consistent else EXPLAINED_BY_SERVICE)
    )
    unexplained = ledger.lineage.unexplained(namespaces, held, lately=not vectors.strongly_consistent)
    return check_verdicts.vectors_explained(len(held), unexplained)


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
        found = sync_vectors(ledger, vectors, repair=False)
    return _result(check_verdicts.store_matches_ledger(found.as_json(), found.samples), "store_matches_ledger")
