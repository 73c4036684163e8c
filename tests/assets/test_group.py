"""Many documents in one run: each as if it had a run of its own, and none harmed by another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from assets.documents import group
from domain.documents.run_planning import RunRequestPlan
from domain.errors import TransientError
from pipelines.jobs.document_group import document_group
from pipelines.resources import NAMES
from resources.embedders.protocol import EmbeddingResult
from resources.ledger.documents.documents import Version
from resources.ledger.documents.run_groups import RunGroups
from sensors.documents.run_failures import canceled_runs, failed_runs, group_of
from tests.laws.deployment import STEPS, Deployment, items
from tests.sensors.test_run_failures import ended

BROKEN = b"PK\x03\x04 this is no workbook"


def keys(versions: Sequence[Version]) -> list[str]:
    return [RunRequestPlan(one.document_id, one.version, one.attempt).run_key for one in versions]


def configured(runs: Sequence[str]) -> dict[str, Any]:
    return {"ops": {"processed_documents": {"config": {"runs": list(runs)}}}}


def process(rowline: Deployment, versions: Sequence[Version], **doubles: Any) -> dg.ExecuteInProcessResult:
    rowline.dagster.add_dynamic_partitions("documents", [one.document_id for one in versions])
    return document_group.execute_in_process(
        instance=rowline.dagster,
        raise_on_error=False,
        resources={name: getattr(rowline.services, name) for name in NAMES} | doubles,
        run_config=configured(keys(versions)) | {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def uploaded(rowline: Deployment, *names: str) -> list[Version]:
    return [rowline.upload(items(name), filename=f"{name}.csv") for name in names]


def statuses(rowline: Deployment, versions: Sequence[Version]) -> list[str]:
    return [rowline.services.ledger.documents.latest(one.document_id).status for one in versions]


def materialized(rowline: Deployment, asset: str) -> list[str | None]:
    records = rowline.dagster.fetch_materializations(dg.AssetKey(asset), limit=100).records
    return sorted(str(record.partition_key) for record in records)


def test_each_document_of_a_group_is_searchable_and_has_its_history_under_its_partition(rowline: Deployment):
    """What the UI shows of a document is what it shows after a run of its own: materializations, checks, metadata."""
    alone = rowline.process(rowline.upload(items("chisel")).document_id)
    versions = uploaded(rowline, "anvil", "bellows", "clamp")
    result = process(rowline, versions)
    assert result.success
    assert statuses(rowline, versions) == ["completed"] * 3
    for version, name in zip(versions, ("anvil", "bellows", "clamp"), strict=True):
        assert rowline.found(name, document_id=version.document_id) == [f"item: {name}\ncolour: colour of {name}"]
    every = sorted([alone.document_id, *(version.document_id for version in versions)])
    for asset in STEPS:
        assert materialized(rowline, asset) == every
        by_partition = {
            str(record.partition_key): record.asset_materialization
            for record in rowline.dagster.fetch_materializations(dg.AssetKey(asset), limit=100).records
        }
        of_one, of_group = by_partition[alone.document_id], by_partition[versions[0].document_id]
        assert of_one is not None
        assert of_group is not None
        assert of_group.metadata.keys() == of_one.metadata.keys()
        assert of_group.tags is not None
        assert of_group.tags["dagster/code_version"] == (of_one.tags or {})["dagster/code_version"]


def test_every_check_is_told_of_every_document_and_of_the_materialization_it_judged(rowline: Deployment):
    versions = uploaded(rowline, "anvil", "bellows")
    assert process(rowline, versions).success
    documents = sorted(one.document_id for one in versions)
    for definitions in group.GRAPH:
        for spec in definitions.checks.check_specs:
            records = rowline.dagster.event_log_storage.get_asset_check_execution_history(spec.key, limit=10)
            told = {record.partition: record for record in records}
            assert sorted(map(str, told)) == documents, spec.name
            for document, record in told.items():
                assert record.status.value == "SUCCEEDED"
                assert record.event
                evaluation = record.event.asset_check_evaluation
                assert evaluation
                assert evaluation.target_materialization_data
                target = rowline.dagster.get_latest_materialization_event(definitions.asset.key)
                assert target is not None
                assert evaluation.partition == document


def test_a_bad_file_fails_alone_with_its_own_reason(rowline: Deployment):
    """The others are completed; the run says whose fault its failure is; trying again tries the bad one alone."""
    first, second = uploaded(rowline, "anvil", "bellows")
    bad = rowline.upload(BROKEN, filename="broken.xlsx")
    last = uploaded(rowline, "clamp", "drill")
    versions = [first, bad, second, *last]
    result = process(rowline, versions)
    assert not result.success
    assert statuses(rowline, versions) == ["completed", "failed", "completed", "completed", "completed"]
    reason = rowline.services.ledger.documents.latest(bad.document_id).error
    assert reason
    assert "broken.xlsx" in reason
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data
    told = failure.step_failure_data.user_failure_data.metadata
    assert (told["completed"].value, told["failed"].value) == (4, 1)
    assert bad.document_id in str(told["reasons"].value)
    again = rowline.services.ledger.documents.retry(bad.document_id)
    assert again.attempt == 2
    assert bad.document_id not in materialized(rowline, "parsed_rows")


class Away:
    """An embedder that is away for texts with a word in them."""

    def __init__(self, embedder: Any, word: str) -> None:
        self._embedder, self._word = embedder, word

    def __getattr__(self, name: str) -> Any:
        return getattr(self._embedder, name)

    def embed_batches(self, texts: Sequence[str]) -> Any:
        if any(self._word in text for text in texts):
            raise TransientError("The embedder is away")
        return self._embedder.embed_batches(texts)


def test_a_failed_blocking_check_stops_its_document_only(rowline: Deployment):
    """Vectors of zeros are kept without a word: the check says so, and nothing is built on them."""

    class Empty(Away):
        def embed_batches(self, texts: Sequence[str]) -> Any:
            for answer in self._embedder.embed_batches(texts):
                yield replace(answer, vectors=answer.vectors * [[self._word not in text] for text in texts])

    bad, good = versions = uploaded(rowline, "anvil", "bellows")
    process(rowline, versions, embedder=Empty(rowline.services.embedder, "anvil"))
    assert statuses(rowline, versions) == ["failed", "completed"]
    assert "failed in embeddings_checks" in str(rowline.services.ledger.documents.latest(bad.document_id).error)
    assert materialized(rowline, "embeddings") == sorted([bad.document_id, good.document_id])
    assert materialized(rowline, "namespace_vectors") == [good.document_id]


def test_what_may_pass_has_the_document_tried_again_by_a_run_of_its_own(rowline: Deployment):
    versions = uploaded(rowline, "anvil", "bellows", "clamp")
    result = process(rowline, versions, embedder=Away(rowline.services.embedder, "bellows"))
    assert result.success, "nothing has failed for good"
    assert statuses(rowline, versions) == ["completed", "pending", "completed"]
    (waiting,) = rowline.services.ledger.documents.pending()
    assert (waiting.document_id, waiting.attempt) == (versions[1].document_id, 2)
    assert rowline.process(waiting.document_id).status == "completed"


class Meanwhile:
    """The embedder; while it works, somebody else does something."""

    def __init__(self, embedder: Any, act: Callable[[], None]) -> None:
        self._embedder, self._act = embedder, act
        self.texts: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._embedder, name)

    def embed_batches(self, texts: Sequence[str]) -> Iterator[EmbeddingResult]:
        self.texts += texts
        self._act()
        yield from self._embedder.embed_batches(texts)


def test_a_document_that_is_cancelled_before_its_turn_is_not_paid_for(rowline: Deployment):
    *_, last = versions = uploaded(rowline, "anvil", "bellows", "clamp")
    embedder = Meanwhile(
        rowline.services.embedder,
        lambda: rowline.services.ledger.documents.fail(last.document_id, last.version, "cancelled"),
    )
    process(rowline, versions, embedder=embedder)
    assert len(embedder.texts) == 2
    assert not any("clamp" in text for text in embedder.texts)
    assert statuses(rowline, versions) == ["completed", "completed", "failed"]
    assert rowline.services.ledger.documents.latest(last.document_id).error == "cancelled"


def test_what_comes_into_a_namespace_later_is_told_by_those_that_are_checked_later(
    rowline: Deployment, monkeypatch: pytest.MonkeyPatch
):
    """Documents that are checked together look at it once, the next ones anew."""
    monkeypatch.setattr(group, "WAVE_SIZE", 1)
    versions, asked = uploaded(rowline, "anvil", "bellows"), []

    def act() -> None:
        asked.append(1)
        if len(asked) == 2:
            rowline.sql("INSERT INTO vectors SELECT model, namespace, gen_random_uuid(), embedding, '{}' FROM vectors")

    process(rowline, versions, embedder=Meanwhile(rowline.services.embedder, act))
    key = dg.AssetCheckKey(dg.AssetKey("lineage"), "vectors_explained")
    records = rowline.dagster.event_log_storage.get_asset_check_execution_history(key, limit=10)
    told = {record.partition: record.status.value for record in records}
    assert [told[one.document_id] for one in versions] == ["SUCCEEDED", "FAILED"]


def test_a_question_about_all_of_them_that_fails_fails_nobody(rowline: Deployment, monkeypatch: pytest.MonkeyPatch):
    """Each then asks for itself."""
    versions, asked = uploaded(rowline, "anvil", "bellows"), list[str]()

    def away(*_: Any) -> dict[str, Version]:
        asked.append("")
        raise TransientError("The database did not answer; try again")

    monkeypatch.setattr(RunGroups, "bound", away)
    assert process(rowline, versions).success
    assert statuses(rowline, versions) == ["completed"] * 2
    assert len(asked) == len(group.GRAPH) + 3


def test_a_bug_that_one_document_meets_is_not_the_others_trouble(rowline: Deployment):
    class Breaks(Away):
        def embed_batches(self, texts: Sequence[str]) -> Any:
            if any(self._word in text for text in texts):
                raise ZeroDivisionError("a bug")
            return self._embedder.embed_batches(texts)

    versions = uploaded(rowline, "anvil", "bellows")
    process(rowline, versions, embedder=Breaks(rowline.services.embedder, "anvil"))
    assert statuses(rowline, versions) == ["failed", "completed"]
    assert "failed in embeddings" in str(rowline.services.ledger.documents.latest(versions[0].document_id).error)


def test_a_group_leaves_what_is_done_overtaken_or_begun_by_others(rowline: Deployment):
    """A lost tick asks for the same documents in another run; a newer version has a run of its own."""
    done, overtaken, fresh = uploaded(rowline, "anvil", "bellows", "clamp")
    assert rowline.process(done.document_id).status == "completed"
    newer = rowline.upload(items("bellows", "bolt"), overtaken.document_id)
    assert rowline.process(overtaken.document_id).version == newer.version
    before = rowline.sql("SELECT document_id, version, run_id FROM versions WHERE run_id IS NOT NULL ORDER BY 1, 2")
    assert process(rowline, [done, overtaken, fresh]).success
    after = rowline.sql("SELECT document_id, version, run_id FROM versions WHERE run_id IS NOT NULL ORDER BY 1, 2")
    assert [row for row in after if row["document_id"] != fresh.document_id] == before
    assert statuses(rowline, [fresh]) == ["completed"]


def test_a_document_that_somebody_works_on_is_waited_for_last(rowline: Deployment, monkeypatch: pytest.MonkeyPatch):
    """Nobody waits behind it; when it is free, what still waits of it is done."""
    versions = uploaded(rowline, "anvil", "bellows")
    order: list[str] = []
    begin = type(rowline.services.ledger.documents).start
    monkeypatch.setattr(
        type(rowline.services.ledger.documents),
        "start",
        lambda self, document, run: order.append(document) or begin(self, document, run),
    )
    ledger = rowline.services.ledger
    claimed = type(ledger.run_groups).claimed
    held = ledger.documents.claim(versions[0].document_id)
    held.__enter__()
    monkeypatch.setattr(
        group.Group,
        "_process_claimed",
        lambda self, runs, take=group.Group._process_claimed: (
            take(self, runs),
            order and held.__exit__(None, None, None),
        ),
    )
    assert claimed
    assert process(rowline, versions).success
    assert order == [versions[1].document_id, versions[0].document_id]
    assert statuses(rowline, versions) == ["completed", "completed"]


# -- a group whose run ends badly -------------------------------------------------------------------------------


def half_done(rowline: Deployment) -> tuple[list[Version], dg.DagsterRun]:
    """A group that died: the first is completed, the second in the middle, the third never begun."""
    from dagster._core.test_utils import create_run_for_test

    versions = uploaded(rowline, "anvil", "bellows", "clamp")
    run = create_run_for_test(rowline.dagster, job_name="document_group", run_config=configured(keys(versions)))
    for step in STEPS:
        rowline.step(step, versions[0].document_id, run.run_id)
    for step in STEPS[:2]:
        rowline.step(step, versions[1].document_id, run.run_id)
    rowline.services.ledger.documents.mark_requested([(v.document_id, v.version, v.attempt) for v in versions])
    return versions, run


def test_after_a_crash_what_is_finished_is_finished_and_the_rest_is_tried_alone(rowline: Deployment):
    """Law 5, and whoever brought the process down cannot do so to others again."""
    versions, run = half_done(rowline)
    assert len(group_of(run)) == 3
    ended(rowline, run, failed_runs, "report_run_failed")
    assert statuses(rowline, versions) == ["completed", "pending", "pending"]
    waiting = rowline.services.ledger.documents.pending()
    assert [(one.document_id, one.attempt) for one in waiting] == [(v.document_id, 2) for v in versions[1:]]
    ended(rowline, run, failed_runs, "report_run_failed")
    assert [one.attempt for one in rowline.services.ledger.documents.pending()] == [2, 2], "told twice is told once"
    assert process(rowline, versions).success, "the same group again leaves them to their own runs"
    for one in waiting:
        assert rowline.process(one.document_id).status == "completed"


def test_a_group_that_a_person_stopped_is_told_on_what_it_did_not_finish(rowline: Deployment):
    versions, run = half_done(rowline)
    ended(rowline, run, canceled_runs, "report_run_canceled")
    assert statuses(rowline, versions) == ["completed", "failed", "failed"]
    told = [str(rowline.services.ledger.documents.latest(one.document_id).error) for one in versions[1:]]
    assert all(reason.startswith("The run was stopped") for reason in told)
