"""A group: many small documents in one run, because most of a small document's time is its run.

Step by step, some documents at a time, by the same steps as the assets; materializations and checks are recorded under
each document's partition. A document that fails, fails alone: a permanent error is written to it, a transient one has
it tried again by a run of its own.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

import dagster as dg
from pydantic import Field

from assets.documents import checks, graph
from assets.documents.checks import check_result
from assets.documents.metadata import Metadata, step_metadata, version_metadata, waiting_metadata
from domain.documents.run_planning import GROUP_OP, RunRequestPlan
from domain.documents.statuses import unexplained_end
from domain.errors import PermanentError, TransientError
from operations.documents.processing import StepResources, WaitsForEmbeddingJob
from operations.documents.steps import STEPS, Step
from resources.dagster_instance.event_batches import (
    TargetMaterialization,
    latest_materializations,
    log_check_evaluations,
    log_materializations,
)
from resources.dagster_instance.tags import CODE_VERSION_TAG
from resources.embedders.protocol import Embedder
from resources.ledger.documents.documents import Version
from resources.ledger.ledger import Ledger
from resources.objects.protocol import ObjectStore
from resources.vectors.protocol import VectorStore
from settings.settings import Settings

WAVE_SIZE = 10  # documents that take each step together: their materializations are one write to Dagster's event log
EVENT_BATCH_SIZE = 200  # a wave has more check evaluations than documents
MAX_NAMED = 10  # failed documents that the run's failure names

ASSETS = (graph.parsed_rows, graph.batches, graph.embeddings, graph.namespace_vectors, graph.lineage)
CHECKS = (
    checks.parsed_rows_checks,
    checks.batches_checks,
    checks.embeddings_checks,
    checks.namespace_vectors_checks,
    checks.lineage_checks,
)


class GroupConfig(dg.Config):
    """Which documents a run works on."""

    runs: list[str] = Field(description="document:version:attempt of each, as `new_uploads` requests it.")


@dataclass(frozen=True, slots=True)
class StepDefinitions:
    """A step with the asset and the checks that show it in Dagster."""

    step: Step
    asset: dg.AssetsDefinition
    checks: dg.AssetChecksDefinition

    @property
    def checks_name(self) -> str:
        return f"{self.step.name}_checks"

    @property
    def blocking(self) -> set[str]:
        return {spec.name for spec in self.checks.check_specs if spec.blocking}

    def materialization(self, document_id: str, metadata: Metadata) -> dg.AssetMaterialization:
        tags = {CODE_VERSION_TAG: self.asset.code_versions_by_key[self.asset.key] or ""}
        return dg.AssetMaterialization(self.asset.key, metadata=metadata, partition=document_id, tags=tags)

    def evaluation(
        self, result: dg.AssetCheckResult, document_id: str, target: TargetMaterialization | None
    ) -> dg.AssetCheckEvaluation:
        assert result.check_name
        return dg.AssetCheckEvaluation(
            asset_key=self.asset.key,
            check_name=result.check_name,
            passed=result.passed,
            metadata=result.metadata,
            target_materialization_data=target,
            severity=result.severity,
            description=result.description,
            partition=document_id,
        )


GRAPH = tuple(StepDefinitions(*parts) for parts in zip(STEPS, ASSETS, CHECKS, strict=True))


@dataclass(slots=True)
class Group:
    """The documents of one run, and how many ended how."""

    context: dg.OpExecutionContext
    resources: StepResources
    completed: int = 0
    waiting: int = 0
    requeued: int = 0
    skipped: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def process(self, runs: Sequence[RunRequestPlan]) -> None:
        """Process all documents; those that another run is at work on come last, when it has ended."""
        ledger = self.resources.ledger
        locked: list[RunRequestPlan] = []
        for first in range(0, len(runs), WAVE_SIZE):
            wave = runs[first : first + WAVE_SIZE]
            with ledger.run_groups.claimed([run.document_id for run in wave]) as claimed:
                self._process_claimed([run for run in wave if run.document_id in claimed])
            locked += [run for run in wave if run.document_id not in claimed]
        for run in locked:
            with ledger.documents.claim(run.document_id):
                self._process_claimed([run])

    def _process_claimed(self, runs: Sequence[RunRequestPlan]) -> None:
        """Bring documents through all steps."""
        waiting = self.resources.ledger.run_groups.still_waiting([_identity(run) for run in runs])
        self.skipped += len(runs) - len(waiting)
        remaining = [run for run in runs if run.document_id in waiting]
        for definitions in GRAPH:
            remaining = self._run_checks(definitions, self._run_step(definitions, remaining))
        self.completed += len(remaining)

    def _run_step(self, definitions: StepDefinitions, runs: Sequence[RunRequestPlan]) -> list[RunRequestPlan]:
        """Those of the documents that the step succeeded for; each has a materialization, all in one write."""
        step, run_id, documents = definitions.step, self.context.run_id, self.resources.ledger.documents
        materialized: dict[RunRequestPlan, dg.AssetMaterialization] = {}
        # a costly step reads each version just before its turn: one that was cancelled meanwhile is not begun, or paid
        versions = {} if step.costly else self._current_versions(runs)
        for run in runs:
            with self._isolate(run, step.name):
                version = versions.get(run.document_id)
                if version is None or version.status == "failed":  # taken from this run meanwhile: reading it says why
                    find = documents.start if step is STEPS[0] else documents.resume
                    version = find(run.document_id, run_id)
                metadata = {**step_metadata(step.run(self.resources, version, run_id)), **version_metadata(version)}
                materialized[run] = definitions.materialization(run.document_id, metadata)
        log_materializations(self.context, list(materialized.values()))
        return list(materialized)

    def _run_checks(self, definitions: StepDefinitions, runs: Sequence[RunRequestPlan]) -> list[RunRequestPlan]:
        """Those of the documents that no blocking check stops."""
        partitions = [run.document_id for run in runs]
        targets = latest_materializations(self.context.instance, definitions.asset.key, partitions)
        resources, versions = replace(self.resources, namespace_verdicts={}), self._current_versions(runs)
        passed: list[RunRequestPlan] = []
        evaluations: list[dg.AssetCheckEvaluation] = []
        for run in runs:
            with self._isolate(run, definitions.checks_name):
                stopped = False
                for result in self._check(definitions.step, resources, run, versions):
                    evaluations.append(definitions.evaluation(result, run.document_id, targets.get(run.document_id)))
                    stopped |= not result.passed and result.check_name in definitions.blocking
                if stopped:
                    self._fail(run, unexplained_end("failed", [definitions.checks_name], self.context.run_id))
                else:
                    passed.append(run)
        log_check_evaluations(self.context, evaluations)
        return passed

    def _check(
        self, step: Step, resources: StepResources, run: RunRequestPlan, versions: Mapping[str, Version]
    ) -> Iterator[dg.AssetCheckResult]:
        version = versions.get(run.document_id) or resources.ledger.documents.current_for_run(
            run.document_id, self.context.run_id
        )
        for name, verdict in step.checks(resources, version):
            yield check_result(name, verdict)

    def _current_versions(self, runs: Sequence[RunRequestPlan]) -> Mapping[str, Version]:
        """Their versions as they are now. One that is missing is read by itself, so that an error is its own."""
        with suppress(TransientError):
            if runs:
                document_ids = [run.document_id for run in runs]
                return self.resources.ledger.run_groups.bound(document_ids, self.context.run_id)
        return {}

    @contextmanager
    def _isolate(self, run: RunRequestPlan, step: str) -> Iterator[None]:
        """What goes wrong with one document is recorded for it, and stops no other."""
        run_id, reason = self.context.run_id, None
        try:
            yield
        except WaitsForEmbeddingJob as wait:
            self.waiting += 1
            observation = dg.AssetObservation(step, partition=run.document_id, metadata=waiting_metadata(wait))
            self.context.log_event(observation)
        except TransientError as error:
            self.requeued += self.resources.ledger.run_groups.requeue([_identity(run)], run_id)
            self.context.log.warning(f"{run.document_id} is tried again by a run of its own: {error}")
        except PermanentError as error:
            reason = str(error)
        except Exception:  # of one document, whatever it is; the others go on
            self.context.log.exception(f"{run.document_id} failed unexpectedly in {step}")
            reason = unexplained_end("failed", [step], run_id)
        if reason:
            self._fail(run, reason)

    def _fail(self, run: RunRequestPlan, reason: str) -> None:
        self.resources.ledger.documents.fail(run.document_id, None, reason, self.context.run_id)
        self.failed[run.document_id] = reason
        self.context.log.error(f"{run.document_id}: {reason}")

    def summary(self) -> dict[str, int]:
        return {
            "completed": self.completed,
            "failed": len(self.failed),
            "tried_again_alone": self.requeued,
            "waiting_for_a_service": self.waiting,
            "left_to_other_runs": self.skipped,
        }


def _identity(run: RunRequestPlan) -> tuple[str, int, int]:
    return run.document_id, run.version, run.attempt


@contextmanager
def _batched_events() -> Iterator[None]:
    """Dagster writes events that it receives as a batch at once if this variable is not 0."""
    name = "DAGSTER_EVENT_BATCH_SIZE"
    before = os.environ.get(name)
    os.environ[name] = str(EVENT_BATCH_SIZE)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@dg.op(name=GROUP_OP, pool="embedding_api")
def processed_documents(
    context: dg.OpExecutionContext,
    config: GroupConfig,
    ledger: dg.ResourceParam[Ledger],
    objects: dg.ResourceParam[ObjectStore],
    settings: dg.ResourceParam[Settings],
    embedder: dg.ResourceParam[Embedder],
    vectors: dg.ResourceParam[VectorStore],
) -> None:
    """Each document of the group: all steps and checks of the document graph. Fails if one of them failed."""
    group = Group(context, StepResources(ledger, objects, settings, embedder, vectors))
    with _batched_events():
        group.process([RunRequestPlan.from_key(key) for key in config.runs])
    context.add_output_metadata(group.summary())
    if group.failed:
        named = [f"{document_id}: {reason}" for document_id, reason in list(group.failed.items())[:MAX_NAMED]]
        raise dg.Failure(
            f"{len(group.failed)} of {len(config.runs)} documents failed, each for itself",
            metadata={**group.summary(), "reasons": dg.MetadataValue.md("\n".join(f"- {line}" for line in named))},
            allow_retries=False,
        )
