"""Texts that were ordered do not stay at the service: not once they are read, and not longer than their document."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.errors import PermanentError, TransientError
from operations.documents.erasure import Receipt, erase_employee, erase_organization
from operations.documents.removal import (
    RemovalReport,
    plan_old_versions_removal,
    plan_removal,
    remove_document,
    remove_old_versions,
)
from resources.ledger.documents.documents import Version
from tests.laws.deployment import Deployment, items, template
from tests.laws.doubles import FailsAt, watched_ledger
from tests.laws.patience import TABLE, order, states, tick
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai_server import OpenAIServer

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def clean(patient: Deployment, version: Version, dry_run: bool = False) -> RemovalReport:
    stores, document_id = patient.services.document_stores, version.document_id
    return plan_removal(stores, document_id)[0] if dry_run else remove_document(stores, document_id)


def statuses(openai: OpenAIServer) -> list[str]:
    return [batch.status for batch in openai.batches.all.values()]


def to_be_cleared(patient: Deployment) -> int:
    return int(patient.sql("SELECT count(*) AS n FROM cancelled_embedding_jobs")[0]["n"])


def test_a_document_that_goes_takes_its_order_along(patient: Deployment, openai: OpenAIServer):
    """Its texts at once; what the service had done by then, as soon as it is a file."""
    version, kept = order(patient), order(patient, items("other"))
    assert clean(patient, version, dry_run=True).orders_cancelled == 1
    assert statuses(openai) == ["validating", "validating"]
    assert clean(patient, version).orders_cancelled == 1
    assert statuses(openai) == ["cancelling", "validating"]
    first, second = openai.batches.all.values()
    assert [*openai.batches.files] == [second.input_file_id]

    assert "are deleted" not in tick(patient), "it has not ended yet"
    openai.batches.stop(after=3)
    assert len(openai.batches.files) == 3
    assert tick(patient).endswith("1 are deleted at the service")
    assert ([*openai.batches.files], to_be_cleared(patient)) == ([second.input_file_id], 0)
    assert states(patient) == ["submitted"]
    openai.batches.complete()
    assert patient.process(kept.document_id).status == "completed"
    assert first.output_file_id not in openai.batches.files


def test_files_of_an_order_that_was_collected_do_not_stay_at_the_service(patient: Deployment, openai: OpenAIServer):
    version = order(patient)
    openai.batches.complete()
    assert patient.process(version.document_id).status == "completed"
    assert len(openai.batches.files) == 2
    assert clean(patient, version, dry_run=True).orders_cancelled == 1
    tick(patient)
    assert (openai.batches.files, states(patient)) == ({}, ["collected"])
    assert clean(patient, version).orders_cancelled == 0
    requests = len(openai.headers_seen)
    tick(patient)
    assert len(openai.headers_seen) == requests, "it is not asked again"


def test_clean_up_deletes_the_files_of_a_finished_order(patient: Deployment, openai: OpenAIServer):
    """No sensor has been there yet."""
    version = order(patient)
    openai.batches.complete("expired", after=3)
    patient.process(version.document_id)
    assert len(openai.batches.files) == 3
    assert clean(patient, version).orders_cancelled == 1
    assert (openai.batches.files, statuses(openai), to_be_cleared(patient)) == ({}, ["expired"], 0)


def test_what_a_version_that_was_overtaken_had_ordered_is_cancelled(patient: Deployment, openai: OpenAIServer):
    first = order(patient)
    second = patient.upload(items("new"), first.document_id, economy=False)
    tick(patient)
    assert statuses(openai) == ["validating"], "the version that overtakes it is not live yet"
    assert patient.process(second.document_id).status == "completed"
    tick(patient)
    assert (statuses(openai), states(patient), openai.batches.files) == (["cancelling"], ["cancelled"], {})
    openai.batches.stop(after=2)
    tick(patient)
    assert (openai.batches.files, to_be_cleared(patient)) == ({}, 0)


def test_old_versions_take_their_orders_along(patient: Deployment, openai: OpenAIServer):
    version = order(patient)
    openai.batches.complete()
    patient.process(version.document_id)
    patient.process(patient.upload(items("new"), version.document_id, economy=False).document_id)
    stores = patient.services.document_stores
    dry = plan_old_versions_removal(stores, version.document_id, keep=1)
    wet = remove_old_versions(stores, version.document_id, keep=1)
    assert (dry.orders_cancelled, wet.orders_cancelled, openai.batches.files) == (1, 1, {})


@pytest.mark.parametrize("operation", ["batches.retrieve", "batches.cancel", "files.list", "files.delete"])
def test_where_the_service_is_out_of_reach_the_job_says_so_and_is_done_again(
    patient: Deployment, openai: OpenAIServer, operation: str
):
    version = order(patient)
    openai.faults.append(Fault("unavailable", operation, always=True))
    with pytest.raises(TransientError, match="The embedding service failed with HTTP 503"):
        clean(patient, version)
    assert "is being removed" in str(patient.services.ledger.documents.latest(version.document_id).error)
    openai.faults.clear()
    told = clean(patient, version)
    assert (told.orders_cancelled, statuses(openai), openai.batches.files) == (1, ["cancelling"], {})


def test_stopped_after_the_service_was_told_it_is_told_again(patient: Deployment, openai: OpenAIServer):
    version = order(patient)
    ledger = watched_ledger(
        patient.services.ledger, FailsAt(1, TransientError("away"), ["mark_cancelled"]), "embedding_jobs"
    )
    with pytest.raises(TransientError):
        remove_document(replace(patient.services.document_stores, ledger=ledger), version.document_id)
    assert clean(patient, version).orders_cancelled == 1
    assert to_be_cleared(patient) == 1


def test_an_order_that_was_perhaps_placed_is_looked_for(patient: Deployment, openai: OpenAIServer):
    """The process died between the service's answer and the ledger's record."""
    version = order(patient)
    patient.sql("UPDATE embedding_jobs SET state = 'created', service_id = NULL, submitted_at = NULL")
    assert clean(patient, version).orders_cancelled == 1
    assert (statuses(openai), openai.batches.files) == (["cancelling"], {})
    openai.batches.stop()
    tick(patient)
    assert to_be_cleared(patient) == 0


def test_where_the_settings_name_another_embedder_it_is_not_passed_over(patient: Deployment):
    version = order(patient)
    elsewhere = replace(patient.services.document_stores, embedding_jobs=None)
    with pytest.raises(PermanentError, match=r"may still keep texts of the job .*EMBEDDING_PROVIDER=openai"):
        remove_document(elsewhere, version.document_id)
    patient.sql("UPDATE embedding_jobs SET submitted_at = now() - interval '40 days'")
    assert remove_document(elsewhere, version.document_id).orders_cancelled == 0


def test_a_sensor_that_cannot_delete_now_comes_back_later(patient: Deployment, openai: OpenAIServer):
    version = order(patient)
    clean(patient, version)
    openai.batches.stop(after=1)
    openai.faults.append(Fault("forbidden", "batches.retrieve"))
    assert "are deleted" not in tick(patient)
    (row,) = patient.sql("SELECT next_poll_at > now() AS later FROM cancelled_embedding_jobs")
    assert row["later"]
    tick(patient)
    assert (to_be_cleared(patient), openai.batches.files) == (0, {})


STAFF = template(employeeIdentifier="no", embeddingTemplate="{{task}}", metadataFields=["no"])
SHIFT = [["no", "task"], ["E1", "weld"], ["E2", "saw"]]


def collected(patient: Deployment) -> Version:
    """A document of two employees, whose order is collected, with its files still at the service."""
    patient.employees("E1", "E2")
    version = patient.upload(SHIFT, template=STAFF, mode="employee_split", economy=True)
    assert patient.process(version.document_id).waiting_reason
    return version


def erased(patient: Deployment, employee: str | None, dry_run: bool) -> Receipt:
    stores = patient.services.document_stores
    if employee:
        return erase_employee(stores, "acme", employee, dry_run)
    return erase_organization(stores, "acme", NOW, dry_run)


@pytest.mark.parametrize("employee", ["E1", None])
def test_an_erasure_takes_texts_away_at_the_service_and_says_so(
    patient: Deployment, openai: OpenAIServer, employee: str | None
):
    version = collected(patient)
    openai.batches.complete()
    assert patient.process(version.document_id).status == "completed"
    assert erased(patient, employee, dry_run=True).orders_cancelled == 1
    receipt = erased(patient, employee, dry_run=False)
    assert (receipt.as_json()["ordersCancelled"], openai.batches.files) == (1, {})


def test_an_order_of_a_document_that_failed_is_cancelled_by_an_erasure(patient: Deployment, openai: OpenAIServer):
    version = collected(patient)
    patient.services.ledger.documents.fail(version.document_id, None, "given up", None)
    patient.sql("UPDATE versions SET status = 'failed', waiting_reason = NULL")
    receipt = erased(patient, "E1", dry_run=False)
    assert (receipt.orders_cancelled, statuses(openai), openai.batches.files) == (1, ["cancelling"], {})
    openai.batches.stop(after=2)
    tick(patient)
    assert openai.batches.files == {}


def test_an_order_that_nobody_needs_any_more_is_waited_for_by_nobody(patient: Deployment, openai: OpenAIServer):
    """A third version that may wait does not wait for what the first one ordered and was cancelled."""
    first = order(patient)
    patient.process(patient.upload(items("new"), first.document_id, economy=False).document_id)
    tick(patient)
    third = order(patient, TABLE, first.document_id)
    assert "10 texts at the lower price (1 batch job" in str(third.waiting_reason)
    openai.batches.complete()
    tick(patient)
    assert patient.process(first.document_id).status == "completed"
