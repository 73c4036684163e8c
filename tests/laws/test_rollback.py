"""Rollback: a move of the ref, with what the older tree needs from kept embeddings."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from domain.errors import InvalidRequest, TransientError
from operations.documents.removal import plan_old_versions_removal, plan_removal
from operations.documents.rollback import RollbackReport, roll_back
from tests.grids import moments
from tests.laws.deployment import Deployment, items, template
from tests.laws.doubles import FailsAt, Watched, watched_ledger


def go_back(rowline: Deployment, document_id: str, to_version: int, **doubles: Any) -> RollbackReport:
    resources = {"ledger": rowline.services.ledger, "vectors": rowline.services.vectors} | doubles
    return roll_back(resources["ledger"], resources["vectors"], document_id, to_version)


def three_versions(rowline: Deployment) -> str:
    document = rowline.index(items("anvil", "bellows", "chisel")).document_id
    rowline.index(items("anvil", "bellows", "drill"), document)
    rowline.index(items("anvil", "easel"), document)
    return document


def found(rowline: Deployment) -> set[str]:
    return {text.split("\n")[0].removeprefix("item: ") for text in rowline.found("item", k=50)}


def statuses(rowline: Deployment, document: str) -> list[str]:
    return [
        row["status"]
        for row in rowline.sql("SELECT status FROM versions WHERE document_id = %(d)s ORDER BY version", d=document)
    ]


def test_going_back_restores_the_older_rows_and_embeds_nothing(rowline: Deployment):
    document = three_versions(rowline)
    asked = len(rowline.services.embedder.asked)
    told = go_back(rowline, document, 1)
    assert (told.rolled_back_from, told.vectors_restored, told.vectors_deleted) == (3, 2, 1)
    assert len(rowline.services.embedder.asked) == asked
    assert found(rowline) == {"anvil", "bellows", "chisel"}
    assert rowline.stored().keys() == rowline.promised()
    assert statuses(rowline, document) == ["completed", "rolled_back", "rolled_back"]
    current = rowline.services.ledger.documents.latest(document)
    assert (current.version, current.live_version, current.status) == (1, 1, "completed")


def test_going_forth_again_takes_the_rollback_back(rowline: Deployment):
    document = three_versions(rowline)
    go_back(rowline, document, 1)
    go_back(rowline, document, 3)
    assert found(rowline) == {"anvil", "easel"}
    assert rowline.stored().keys() == rowline.promised()
    assert statuses(rowline, document) == ["completed", "completed", "completed"]


def test_the_next_upload_is_compared_with_what_is_live_and_the_given_up_file_may_come_again(rowline: Deployment):
    document = three_versions(rowline)
    go_back(rowline, document, 1)
    asked = len(rowline.services.embedder.asked)
    again = rowline.index(items("anvil", "easel"), document)  # the bytes of version 3
    assert (again.version, again.live_version) == (4, 4)
    assert len(rowline.services.embedder.asked) == asked
    assert found(rowline) == {"anvil", "easel"}
    assert rowline.stored().keys() == rowline.promised()


@pytest.mark.parametrize(
    ("to_version", "reason"),
    [
        (3, "Version 3 of .* is live already"),
        (9, "no completed version 9; completed and kept: 1, 2, 3"),
        (0, "no comp"),
    ],
)
def test_a_version_that_cannot_be_gone_back_to_is_told_and_nothing_changes(
    rowline: Deployment, to_version: int, reason: str
):
    document = three_versions(rowline)
    with pytest.raises(InvalidRequest, match=reason):
        go_back(rowline, document, to_version)
    assert found(rowline) == {"anvil", "easel"}
    with pytest.raises(InvalidRequest, match="There is no document doc_x"):
        go_back(rowline, "doc_x", 1)


def test_nothing_is_rolled_back_under_a_version_on_its_way(rowline: Deployment):
    document = three_versions(rowline)
    rowline.upload(items("new"), document)
    with pytest.raises(InvalidRequest, match=r"Version 4 of .* is being processed"):
        go_back(rowline, document, 1)
    assert rowline.process(document).live_version == 4


def test_a_newer_version_that_failed_is_given_up_too(rowline: Deployment):
    document = rowline.index(items("anvil")).document_id
    rowline.index(items("bellows"), document)
    rowline.upload(b"", document)
    assert rowline.process(document).status == "failed"
    go_back(rowline, document, 1)
    current = rowline.services.ledger.documents.latest(document)
    assert (current.version, current.status) == (1, "completed")
    assert rowline.stored().keys() == rowline.promised()


def test_materializing_the_partition_after_a_rollback_leaves_it_rolled_back(rowline: Deployment):
    """A backfill over all documents must not undo what a person decided."""
    document = three_versions(rowline)
    go_back(rowline, document, 1)
    assert rowline.process(document).live_version == 1
    assert found(rowline) == {"anvil", "bellows", "chisel"}


def test_rows_shared_with_another_document_stay(rowline: Deployment):
    document = three_versions(rowline)
    other = rowline.index(items("easel", "anvil"))
    go_back(rowline, document, 1)
    assert found(rowline) == {"anvil", "bellows", "chisel", "easel"}
    assert rowline.stored().keys() == rowline.promised()
    assert other.live_version == 1


def test_split_by_employee_and_with_metadata(rowline: Deployment):
    rowline.employees("E1", "E2")
    staff = template(employeeIdentifier="no", embeddingTemplate="{{task}}", metadataFields=["no"])
    one = rowline.index([["no", "task"], ["E1", "weld"], ["E2", "saw"]], template=staff, mode="employee_split")
    rowline.index([["no", "task"], ["E1", "weld"]], one.document_id, template=staff, mode="employee_split")
    go_back(rowline, one.document_id, 1)
    assert rowline.stored().keys() == rowline.promised()
    assert sorted(meta["no"] for meta in rowline.stored().values()) == ["E1", "E2"]


@pytest.mark.parametrize("point", moments(range(1, 13)))
def test_failed_anywhere_a_rollback_ends_when_it_is_done_again(rowline: Deployment, point: int):
    document = three_versions(rowline)
    ledger = rowline.services.ledger
    failing = FailsAt(point, TransientError("the service is away"))
    doubles = {
        "vectors": Watched(rowline.services.vectors, failing),
        "ledger": watched_ledger(ledger, failing, "embeddings", "lineage", "live_versions", "garbage"),
    }
    with pytest.raises(TransientError):
        go_back(rowline, document, 1, **doubles)
    assert found(rowline) in ({"anvil", "easel"}, {"anvil", "bellows", "chisel"}), "one version, whole"
    with suppress(InvalidRequest):  # "is live already": then nothing was left to do
        go_back(rowline, document, 1)
    assert found(rowline) == {"anvil", "bellows", "chisel"}
    assert rowline.stored().keys() == rowline.promised()


def dies_at(rowline: Deployment, call: str) -> dict[str, Any]:
    """Resources that fail when the ledger is asked for this."""
    failing = FailsAt(1, TransientError("the service is away"), [call])
    return {"ledger": watched_ledger(rowline.services.ledger, failing)}


def test_going_forth_again_that_dies_before_its_sweep_is_ended_by_doing_it_again(rowline: Deployment):
    document = three_versions(rowline)
    go_back(rowline, document, 1)
    with pytest.raises(TransientError):
        go_back(rowline, document, 3, **dies_at(rowline, "superseded"))
    go_back(rowline, document, 3)
    assert rowline.stored().keys() == rowline.promised()


def test_what_an_abandoned_rollback_brought_into_the_store_goes_with_the_next_sweep(rowline: Deployment):
    document = three_versions(rowline)
    with pytest.raises(TransientError):
        go_back(rowline, document, 1, **dies_at(rowline, "switch"))
    assert rowline.stored().keys() > rowline.promised()
    rowline.index(items("anvil", "flail"), document)
    assert rowline.stored().keys() == rowline.promised()


def test_a_version_that_failed_is_not_taken_for_completed_when_going_forth_again(rowline: Deployment):
    document = rowline.index(items("anvil")).document_id
    rowline.upload(b"", document)
    assert rowline.process(document).status == "failed"
    rowline.index(items("bellows"), document)
    go_back(rowline, document, 1)
    go_back(rowline, document, 3)
    assert statuses(rowline, document) == ["completed", "failed", "completed"]


def test_a_rollback_that_died_before_its_flip_is_taken_back_by_going_to_what_is_live(rowline: Deployment):
    """The store held what was aimed at for ever, and a person was told that there is nothing to go back to."""
    document = three_versions(rowline)
    with pytest.raises(TransientError):
        go_back(rowline, document, 1, **dies_at(rowline, "switch"))
    go_back(rowline, document, 3)
    assert rowline.stored().keys() == rowline.promised()
    with pytest.raises(InvalidRequest, match="is live already"):
        go_back(rowline, document, 3)


def test_the_bytes_of_the_version_gone_back_to_are_known(rowline: Deployment):
    document = three_versions(rowline)
    go_back(rowline, document, 1)
    again = rowline.upload_result(items("anvil", "bellows", "chisel"), document)
    assert (again.version.version, again.already_known) == (1, True)


def test_while_a_document_is_on_its_way_back_the_live_bytes_are_an_upload_like_any_other(rowline: Deployment):
    """Who uploads them now wants them to stay live, and the rollback comes first."""
    document = three_versions(rowline)
    with pytest.raises(TransientError):
        go_back(rowline, document, 1, **dies_at(rowline, "switch"))
    again = rowline.upload_result(items("anvil", "easel"), document)
    assert (again.version.version, again.already_known) == (4, False)


@pytest.mark.timeout(60)
def test_while_a_version_is_in_work_nobody_waits_to_be_told_no(rowline: Deployment):
    """A run holds the document for as long as it takes; what is refused, or only looked at, does not wait for it."""
    document = three_versions(rowline)
    rowline.upload(items("new"), document)
    services = rowline.services
    with services.ledger.documents.claim(document):
        with pytest.raises(InvalidRequest, match=r"Version 4 of .* is being processed"):
            go_back(rowline, document, 1)
        assert plan_removal(services.document_stores, document)[0].vectors_deleted == 2
        old = plan_old_versions_removal(services.document_stores, document, keep=1)
        assert old.versions == [1, 2]


def test_it_is_told_when_searches_showed_the_version(rowline: Deployment):
    """Apart from the sweep after it, which nobody waits for."""
    document = three_versions(rowline)
    hours = iter([10.0, 10.25])
    told = roll_back(rowline.services.ledger, rowline.services.vectors, document, 1, clock=lambda: next(hours))
    assert told.as_json()["liveAfterMs"] == 250
