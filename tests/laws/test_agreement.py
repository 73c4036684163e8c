"""Law 1: the store holds nothing that the ledger cannot explain, and everything live that it promises."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import dagster as dg
import pytest

from domain.documents.employees import Employee
from domain.errors import TransientError
from resources.ledger.documents.documents import Version
from tests.laws.deployment import STEPS, Deployment, items, template
from tests.laws.doubles import FailsAt, Watched, watched_ledger

AWAY = TransientError("the service is away")
# calls of store, ledger and embedder in the second version's run; more than there are, so that all are reached
POINTS = range(1, 30)


def crashing(rowline: Deployment, failing: FailsAt) -> dict[str, Any]:
    """Store, ledger and embedder that fail together at one call."""
    services, ledger = rowline.services, rowline.services.ledger
    return {
        "vectors": Watched(services.vectors, failing),
        "ledger": watched_ledger(ledger, failing, "plans", "embeddings", "lineage", "live_versions", "garbage"),
    }


def state(rowline: Deployment, version: Version) -> dict[str, Any]:
    """What must be the same however often a run was interrupted."""
    told = {k: v for k, v in version.result.items() if k not in ("processingTimeMs", "tokens", "costUsd")}
    return {
        "status": version.status,
        "live": version.live_version == version.version,
        "result": told,
        "outcomes": rowline.outcomes(version),
        "batches": [(b["status"], b["processedRows"], b["vectorsCreated"]) for b in rowline.batches(version)],
        "stored": sorted((namespace, meta["rowNumber"]) for (_, namespace, _), meta in rowline.stored().items()),
    }


@pytest.mark.slow
def test_after_a_failure_at_any_call_a_retry_ends_where_an_undisturbed_run_ends(rowline: Deployment):
    """Every single call of store and ledger fails once; the next run puts all of it right.

    One document with a version a point: of eight rows five are as before, three new, three gone.
    """

    def table(point: int) -> list[list[str]]:
        return items(*"abcde", *[f"{name} of {point}" for name in "xyz"])

    document = rowline.index(table(0)).document_id
    rowline.upload(table(1), document)
    expected = state(rowline, rowline.quick(document))
    reached = 0
    for point in POINTS:
        rowline.upload(table(point + 1), document)
        failing = FailsAt(point, AWAY)
        with suppress(dg.Failure):
            rowline.quick(document, **crashing(rowline, failing))
        reached += failing.calls >= point
        version = rowline.quick(document)
        assert state(rowline, version) == expected, f"call {point}"
        assert set(rowline.stored()) == rowline.promised(), f"call {point}"
    assert 15 <= reached < len(POINTS)


@pytest.mark.parametrize("damage", ["DELETE FROM vectors", "DELETE FROM vectors WHERE vector_id::text < '8'"])
def test_vectors_lost_from_the_store_come_back_without_being_paid_for(rowline: Deployment, damage: str):
    """The store is derived: what it lost is made again from kept embeddings."""
    version = rowline.index(items("anvil", "bellows", "chisel"))
    before = rowline.stored()
    rowline.sql(damage)
    asked = len(rowline.services.embedder.asked)
    assert rowline.process(version.document_id).status == "completed"
    assert rowline.stored() == before
    assert len(rowline.services.embedder.asked) == asked


def test_a_shared_vector_lives_until_the_last_row_that_points_at_it_goes(rowline: Deployment):
    """Equal rows share a vector; a document that drops it must not take it from another."""
    ours = rowline.index(items("anvil", "bellows"))
    theirs = rowline.index(items("anvil"))
    rowline.index(items("bellows"), ours.document_id)
    assert rowline.found("anvil", k=1) == ["item: anvil\ncolour: colour of anvil"]
    assert len(rowline.stored()) == 2

    rowline.index(items("chisel"), theirs.document_id)
    assert set(rowline.stored()) == rowline.promised()
    assert len(rowline.stored()) == 2


def test_a_vector_that_a_version_on_its_way_needs_is_not_swept(rowline: Deployment):
    """One document drops a row while another that holds the same row is being processed."""
    ours = rowline.index(items("anvil", "bellows"))
    waiting = rowline.upload(items("anvil"))
    run = "run-of-the-waiting-one"
    for step in ("parsed_rows", "batches", "embeddings", "namespace_vectors"):
        rowline.step(step, waiting.document_id, run)
    rowline.index(items("bellows"), ours.document_id)
    rowline.step("lineage", waiting.document_id, run)
    assert set(rowline.stored()) == rowline.promised()
    assert rowline.found("anvil", document_id=waiting.document_id) == ["item: anvil\ncolour: colour of anvil"]


def test_a_namespace_that_a_document_leaves_stays_for_one_on_its_way(rowline: Deployment):
    """It is emptied whole where nobody uses it any more: no document is live there, but one is about to be."""
    staff = {"template": template(employeeIdentifier="no"), "mode": "employee_split"}
    rowline.employees("E1", "E2")
    table = [["no", "task"], ["E2", "sawing"]]
    leaves = rowline.index([*table, ["E1", "welding"]], **staff)
    waiting = rowline.upload([["no", "task"], ["E1", "painting"]], **staff).document_id
    for step in STEPS[:-1]:
        rowline.step(step, waiting, "run of the other")
    rowline.index(table, leaves.document_id, **staff)
    rowline.step("lineage", waiting, "run of the other")
    assert set(rowline.stored()) == rowline.promised()
    assert rowline.found("painting", employee_id="E1") == ["no: E1\ntask: painting"]


def test_vectors_of_a_failed_version_are_swept_by_the_next(rowline: Deployment):
    """It never went live, so nothing points at what it had stored."""
    first = rowline.index(items("anvil"))
    rowline.upload(items("bellows"), first.document_id)
    for step in ("parsed_rows", "batches", "embeddings", "namespace_vectors"):
        rowline.step(step, first.document_id, "run-that-died")
    rowline.services.ledger.documents.fail(first.document_id, None, "died", "run-that-died")
    rowline.index(items("anvil", "chisel"), first.document_id)
    assert set(rowline.stored()) == rowline.promised()


def test_a_version_overtaken_in_the_middle_of_its_run_leaves_nothing_behind(rowline: Deployment):
    """A newer version was uploaded and processed between two steps of the older one's run."""
    first = rowline.index(items("anvil"))
    rowline.upload(items("bellows"), first.document_id)
    for step in ("parsed_rows", "batches", "embeddings"):
        rowline.step(step, first.document_id, "run-of-two")
    rowline.index(items("chisel"), first.document_id)
    with pytest.raises(dg.Failure, match="Version 3 was uploaded before this one was processed"):
        rowline.step("namespace_vectors", first.document_id, "run-of-two")
    with pytest.raises(dg.Failure, match="Version 3 was uploaded"):
        rowline.step("lineage", first.document_id, "run-of-two")
    assert rowline.services.ledger.documents.latest(first.document_id).live_version == 3
    assert rowline.services.ledger.documents.get(first.document_id, 2).status == "failed"
    assert set(rowline.stored()) == rowline.promised()


def test_an_employee_who_moved_to_another_namespace_leaves_no_vector_in_the_old_one(rowline: Deployment):
    """The next version goes to the new namespace; what lay in the old one is swept."""
    staff = template(employeeIdentifier="no")
    rowline.employees("E1")
    table = [["no", "task"], ["E1", "welding"]]
    first = rowline.index(table, template=staff, mode="employee_split")
    rowline.services.ledger.organizations.put_employees("acme", [Employee("E1", "Kim", "team-blue")])
    second = rowline.index([*table, ["E1", "sawing"]], first.document_id, template=staff, mode="employee_split")
    assert {namespace for _, namespace, _ in rowline.stored()} == {"team-blue"}
    assert set(rowline.stored()) == rowline.promised()
    assert (second.result["vectorsDeleted"], second.result["embeddedInputs"]) == (1, 1)
    assert rowline.found("welding", employee_id="E1", k=1) == ["no: E1\ntask: welding"]


def test_a_plan_that_is_made_anew_takes_the_place_of_the_one_before(rowline: Deployment):
    """The list of employees changed between two tries: other rows are good now."""
    rowline.employees("E1")
    table = [["no", "task"], ["E1", "welding"], ["E2", "sawing"]]
    planned = rowline.upload(table, template=template(employeeIdentifier="no"), mode="employee_split")
    for asset in STEPS[:2]:
        rowline.step(asset, planned.document_id, "a-run-that-died")
    assert rowline.outcomes(planned) == [(2, "kept"), (3, "error")]
    rowline.employees("E1", "E2")
    version = rowline.quick(planned.document_id)
    assert rowline.outcomes(version) == [(2, "kept"), (3, "kept")]
    assert (version.result["totalRows"], version.result["errorRows"]) == (2, 0)
    assert len(rowline.batches(version)) == 1
    assert set(rowline.stored()) == rowline.promised()
