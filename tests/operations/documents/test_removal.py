"""Removal and rollback as requests: what cannot be done is refused at once, the rest is an event that a run acts on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domain.errors import Conflict, InvalidRequest, PermanentError
from operations.documents.removal import (
    plan_old_versions_removal,
    plan_removal,
    remove_documents,
    remove_old_versions,
    request_removal,
)
from operations.documents.rollback import request_rollback
from tests.laws.deployment import items
from tests.laws.doubles import FailsAt, watched_ledger

if TYPE_CHECKING:
    from tests.laws.deployment import Deployment


def events(rowline: Deployment) -> list[str]:
    return [event.name for event in rowline.services.ledger.events.listed("acme")]


def test_a_removal_is_refused_while_a_run_is_at_work(rowline: Deployment):
    services = rowline.services
    document_id = rowline.upload(items("anvil")).document_id
    services.ledger.documents.start(document_id, "a run")
    with pytest.raises(Conflict, match="is being processed"):
        request_removal(services.document_stores, services.ledger.documents.latest(document_id))
    assert (events(rowline), services.ledger.documents.latest(document_id).removed) == ([], False)


def test_a_requested_removal_hides_the_document_and_leaves_its_data_to_the_run(rowline: Deployment):
    services = rowline.services
    version = rowline.index(items("anvil"))
    (plan,) = plan_removal(services.document_stores, version.document_id)
    request_removal(services.document_stores, version)
    assert (events(rowline), services.ledger.documents.latest(version.document_id).removed) == (
        ["document/cleanup"],
        True,
    )
    assert len(rowline.stored()) == plan.vectors_deleted == 1


def test_a_rollback_that_cannot_be_done_is_no_event(rowline: Deployment):
    version = rowline.index(items("anvil"))
    with pytest.raises(InvalidRequest):
        request_rollback(rowline.services.ledger, version, 7)
    assert events(rowline) == []


def test_too_few_versions_to_keep_are_refused_by_the_plan_as_well(rowline: Deployment):
    version = rowline.index(items("anvil"))
    for remove in (plan_old_versions_removal, remove_old_versions):
        with pytest.raises(InvalidRequest, match="0 versions to keep are too few"):
            remove(rowline.services.document_stores, version.document_id, 0)


def test_a_document_that_cannot_be_removed_stops_no_other(rowline: Deployment):
    """Each is reported as soon as it is gone; what failed is named at the end."""
    from dataclasses import replace

    documents = [rowline.index(items(name)).document_id for name in ("anvil", "bellows", "chisel")]
    failing = FailsAt(2, PermanentError("the service refuses"), ["forget"])
    ledger = watched_ledger(rowline.services.ledger, failing, "removals")
    removed: list[str] = []
    with pytest.raises(PermanentError, match=f"1 of the documents .* {documents[1]}: the service refuses"):
        remove_documents(
            replace(rowline.services.document_stores, ledger=ledger),
            documents,
            lambda report: removed.append(report.document_id),
        )
    assert removed == [documents[0], documents[2]]
