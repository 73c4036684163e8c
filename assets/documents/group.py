"""A group: many small documents in one run, because most of a small document's time is its run.

Step by step, some documents at a time, by the same functions as the assets; what is told of a document is told under
its partition. A document that fails, fails alone: what is wrong with it is written to it, what may pass has it tried
again by a run of its own.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

import dagster as dg
from pydantic import Field

from assets.documents import checks, graph
from assets.documents.metadata import Metadata, step_metadata, version_metadata, waiting_metadata
from domain.documents.run_requests import GROUP_OP, RunRequestPlan
from domain.documents.statuses import unexplained_end
from domain.errors import PermanentError, TransientError
from operations.documents import processing
from operations.documents.processing import Facts, WaitsForEmbeddingJob
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

TOGETHER = 10  # documents that take each step together: their materializations are one write to Dagster's event log
EVENTS_AT_ONCE = 200  # more than ten documents have checks of one step
TOLD = 10  # failed documents that the run names


class GroupConfig(dg.Config):
    """Which documents a run works on."""

    runs: list[str] = Field(description="document:version:attempt of each, as `new_uploads` asks for it.")


@dataclass(frozen=True, slots=True)
class StepResources:
    ledger: Ledger
    objects: ObjectStore
    settings: Settings
    embedder: Embedder
    vectors: VectorStore
    explained: checks.Explained = field(default_factory=dict)  # by the documents that are checked together


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the document graph and its checks."""

    asset: dg.AssetsDefinition
    checked_by: dg.AssetChecksDefinition
    work: Callable[[StepResources, Version, str], Facts]
    claims: Callable[[StepResources, Version], Iterator[dg.AssetCheckResult]]
    looks_last: bool = False  # at each version just before its turn: what was cancelled meanwhile is not begun, or paid

    @property
    def name(self) -> str:
        return self.asset.key.to_user_string()


STEPS = (
    Step(
        graph.parsed_rows,
        checks.parsed_rows_checks,
        lambda t, version, _: processing.read(t.ledger, t.objects, t.settings, version),
        lambda t, version: checks.of_rows(t.objects, version),
        looks_last=True,
    ),
    Step(
        graph.batches,
        checks.batches_checks,
        lambda t, version, run_id: processing.plan(t.ledger, t.objects, t.embedder, version, run_id),
        lambda t, version: checks.of_plan(t.ledger, t.objects, version),
    ),
    Step(
        graph.embeddings,
        checks.embeddings_checks,
        lambda t, version, run_id: processing.embed(t.ledger, t.embedder, t.vectors, t.settings, version, run_id),
        lambda t, version: checks.of_embeddings(t.ledger, version),
        looks_last=True,
    ),
    Step(
        graph.namespace_vectors,
        checks.namespace_vectors_checks,
        lambda t, version, _: processing.store(t.ledger, t.vectors, version),
        lambda t, version: checks.of_vectors(t.ledger, t.vectors, version),
    ),
    Step(
        graph.lineage,
        checks.lineage_checks,
        lambda t, version, _: processing.make_live(t.ledger, t.vectors, t.embedder, version),
        lambda t, version: checks.of_lineage(t.ledger, t.vectors, version, t.explained),
    ),
)


@dataclass(slots=True)
class Group:
    """The documents of one run, and what became of them."""

    context: dg.OpExecutionContext
    tools: StepResources
    completed: int = 0
    waiting: int = 0
    again: int = 0
    left: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def process(self, runs: Sequence[RunRequestPlan]) -> None:
        busy: list[RunRequestPlan] = []
        for first in range(0, len(runs), TOGETHER):
            wave = runs[first : first + TOGETHER]
            with self.tools.ledger.run_groups.claimed([run.document_id for run in wave]) as claimed:
                self._take([run for run in wave if run.document_id in claimed])
            busy += [run for run in wave if run.document_id not in claimed]
        for run in busy:  # somebody else was at work on it
            with self.tools.ledger.documents.claim(run.document_id):
                self._take([run])

    def _take(self, runs: Sequence[RunRequestPlan]) -> None:
        """Bring documents, which are claimed, through all steps."""
        documents, run_id = self.tools.ledger.documents, self.context.run_id
        waiting = self.tools.ledger.run_groups.still_waiting([_wanted(run) for run in runs])
        self.left += len(runs) - len(waiting)
        going = [run for run in runs if run.document_id in waiting]
        for stage in STEPS:
            done: dict[RunRequestPlan, Metadata] = {}
            bound = {} if stage.looks_last else self._bound(going)
            for run in going:
                with self._alone(run, stage.name):
                    version = bound.get(run.document_id)
                    if version is None or version.status == "failed":  # taken from this run meanwhile: that is told
                        find = documents.start if stage is STEPS[0] else documents.resume
                        version = find(run.document_id, run_id)
                    facts = stage.work(self.tools, version, run_id)
                    done[run] = {**step_metadata(facts), **version_metadata(version)}
            self._materialized(stage, done)
            going = self._checked(stage, list(done))
        self.completed += len(going)

    def _bound(self, runs: Sequence[RunRequestPlan]) -> dict[str, Version]:
        """Their versions as they are now. Who is not among them asks for itself, so that a failure is its own."""
        with suppress(TransientError):
            if runs:
                return self.tools.ledger.run_groups.bound([run.document_id for run in runs], self.context.run_id)
        return {}

    @contextmanager
    def _alone(self, run: RunRequestPlan, step: str) -> Iterator[None]:
        """What goes wrong with one document is told of it, and stops no other."""
        run_id, reason = self.context.run_id, None
        try:
            yield
        except WaitsForEmbeddingJob as wait:
            self.waiting += 1
            observation = dg.AssetObservation(step, partition=run.document_id, metadata=waiting_metadata(wait))
            self.context.log_event(observation)
        except TransientError as error:
            self.again += self.tools.ledger.run_groups.requeue([_wanted(run)], run_id)
            self.context.log.warning(f"{run.document_id} is tried again by a run of its own: {error}")
        except PermanentError as error:
            reason = str(error)
        except Exception:  # of one document, whatever it is; the others go on
            self.context.log.exception(f"{run.document_id} broke in {step}")
            reason = unexplained_end("failed", [step], run_id)
        if reason:
            self._fail(run, reason)

    def _fail(self, run: RunRequestPlan, reason: str) -> None:
        self.tools.ledger.documents.fail(run.document_id, None, reason, self.context.run_id)
        self.failed[run.document_id] = reason
        self.context.log.error(f"{run.document_id}: {reason}")

    def _materialized(self, stage: Step, done: dict[RunRequestPlan, Metadata]) -> None:
        """One materialization for each document, under its partition, in one write."""
        tags = {CODE_VERSION_TAG: stage.asset.code_versions_by_key[stage.asset.key] or ""}
        materializations = [
            dg.AssetMaterialization(stage.asset.key, metadata=metadata, partition=run.document_id, tags=tags)
            for run, metadata in done.items()
        ]
        log_materializations(self.context, materializations)

    def _checked(self, stage: Step, runs: Sequence[RunRequestPlan]) -> list[RunRequestPlan]:
        """Those of the documents that no blocking check stops."""
        blocking = {spec.name for spec in stage.checked_by.check_specs if spec.blocking}
        partitions = [run.document_id for run in runs]
        targets = latest_materializations(self.context.instance, stage.asset.key, partitions)
        tools, documents, bound = replace(self.tools, explained={}), self.tools.ledger.documents, self._bound(runs)
        going: list[RunRequestPlan] = []
        told: list[dg.AssetCheckEvaluation] = []
        for run in runs:
            with self._alone(run, f"{stage.name}_checks"):
                version = bound.get(run.document_id) or documents.current_for_run(run.document_id, self.context.run_id)
                stopped = False
                for found in stage.claims(tools, version):
                    told.append(_evaluation(stage, found, run.document_id, targets.get(run.document_id)))
                    stopped |= not found.passed and found.check_name in blocking
                if stopped:
                    reason = unexplained_end("failed", [f"{stage.name}_checks"], self.context.run_id)
                    self._fail(run, reason)
                else:
                    going.append(run)
        log_check_evaluations(self.context, told)
        return going

    def summary(self) -> dict[str, int]:
        return {
            "completed": self.completed,
            "failed": len(self.failed),
            "tried_again_alone": self.again,
            "waiting_for_a_service": self.waiting,
            "left_to_other_runs": self.left,
        }


def _wanted(run: RunRequestPlan) -> tuple[str, int, int]:
    return run.document_id, run.version, run.attempt


def _evaluation(
    stage: Step,
    found: dg.AssetCheckResult,
    document_id: str,
    target: TargetMaterialization | None,
) -> dg.AssetCheckEvaluation:
    assert found.check_name
    return dg.AssetCheckEvaluation(
        asset_key=stage.asset.key,
        check_name=found.check_name,
        passed=found.passed,
        metadata=found.metadata,
        target_materialization_data=target,
        severity=found.severity,
        description=found.description,
        partition=document_id,
    )


@contextmanager
def _written_together() -> Iterator[None]:
    """Dagster writes events at once that are given to it as a batch, where this variable is not 0."""
    name = "DAGSTER_EVENT_BATCH_SIZE"
    before = os.environ.get(name)
    os.environ[name] = str(EVENTS_AT_ONCE)
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
    """Each document of the group: all steps and checks of the document graph. Fails where one of them failed."""
    group = Group(context, StepResources(ledger, objects, settings, embedder, vectors))
    with _written_together():
        group.process([RunRequestPlan.from_key(key) for key in config.runs])
    context.add_output_metadata(group.summary())
    if group.failed:
        named = [f"{document_id}: {reason}" for document_id, reason in list(group.failed.items())[:TOLD]]
        raise dg.Failure(
            f"{len(group.failed)} of {len(config.runs)} documents failed, each for itself",
            metadata={**group.summary(), "reasons": dg.MetadataValue.md("\n".join(f"- {line}" for line in named))},
            allow_retries=False,
        )
