"""The right to be forgotten: nothing that an organization or an employee brought is left anywhere."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.documents.employees import Employee
from domain.documents.templates import WorkbookTemplate
from domain.errors import Conflict, InvalidRequest, NotFound, PermanentError, TransientError
from operations.documents.erasure import erase_employee, erase_organization
from operations.documents.removal import DocumentStores
from operations.documents.vector_sync import sync_vectors
from operations.functions.handlers import FunctionResources
from operations.functions.runner import FunctionRunner
from resources.ledger.removal.erasures import ERASED, HOLDERS
from tests.domain.events.sender import Events
from tests.laws.deployment import Deployment, csv_bytes, items
from tests.laws.doubles import FailsAt, Watched, watched_ledger
from tests.laws.erasing import NOW, STAFF, TABLE, erase_acme, forget_employee, split, text_of_everything


def test_an_employee_is_gone_and_the_others_stay(rowline: Deployment):
    document = split(rowline)
    dry = forget_employee(rowline, "E1", dry_run=True)
    assert (dry.documents, dry.vectors_deleted) == ([document], 3)
    assert "weld secretly" in text_of_everything(rowline)

    receipt = forget_employee(rowline, "E1")
    assert (receipt.rows_erased, receipt.vectors_deleted, receipt.embeddings_deleted) == (5, 3, 3)
    held = text_of_everything(rowline)
    for gone in ("weld secretly", "paint", "polish", "E1", "Name of E1"):
        assert gone not in held
    assert rowline.found("saw", employee_id="E2") == ["saw"]
    assert rowline.stored().keys() == rowline.promised()
    version = rowline.services.ledger.documents.latest(document)
    assert [outcome for _, outcome in rowline.outcomes(version)] == ["error", "unchanged", "error", "error", "error"]
    assert not list(rowline.services.objects.keys("uploads/"))
    digests = rowline.sql("SELECT DISTINCT sha256 FROM versions")
    assert digests == [{"sha256": b""}], "who has the file could show by its digest that they were in it"
    with pytest.raises(InvalidRequest, match="has no employee E1"):
        forget_employee(rowline, "E1")


def test_an_organization_is_gone_and_its_neighbour_stays(rowline: Deployment):
    split(rowline)
    rowline.index(items("anvil"))
    rowline.services.ledger.organizations.put_template("acme", STAFF)
    rowline.index(items("anvil"), organization="rival")
    services = rowline.services
    receipt = erase_organization(services.document_stores, "acme", NOW, dry_run=False)
    assert (len(receipt.documents), receipt.employees_deleted, receipt.templates_deleted) == (2, 2, 1)
    assert receipt.vectors_deleted == 5
    assert "acme" not in text_of_everything(rowline)
    assert len(rowline.found("anvil", organization="rival")) == 1
    assert rowline.stored().keys() == rowline.promised()
    assert len(list(services.objects.keys(""))) == 2  # the neighbour's file and its rows


@pytest.mark.parametrize("point", range(1, 14, 2))
def test_stopped_anywhere_doing_it_again_ends_it(rowline: Deployment, point: int):
    split(rowline)
    services = rowline.services
    failing = FailsAt(point, TransientError("the service is away"))
    watched = DocumentStores(
        watched_ledger(services.ledger, failing, "erasures", "garbage"),
        Watched(services.vectors, failing),
        Watched(services.objects, failing),
    )
    with pytest.raises(TransientError):
        erase_employee(watched, "acme", "E1", dry_run=False)
    forget_employee(rowline, "E1")
    assert "E1" not in text_of_everything(rowline)
    assert rowline.stored().keys() == rowline.promised()


def test_every_table_that_names_an_organization_is_emptied_with_it(rowline: Deployment):
    """A table that somebody adds is in `HOLDERS`, or goes with one that is."""
    named = {
        row["table_name"]
        for row in rowline.sql(
            "SELECT table_name FROM information_schema.columns "
            "WHERE column_name = 'organization_id' AND table_schema = 'public'"
        )
    }
    assert named - {*HOLDERS} == {"lineage"}, "lineage goes with its version"


def test_rows_of_a_namespace_that_an_employee_has_left_are_erased_too(rowline: Deployment):
    document = split(rowline)
    put = rowline.services.ledger.organizations.put_employees
    put("acme", [Employee("E1", "Name of E1", "fresh")])
    receipt = forget_employee(rowline, "E1")
    assert (receipt.documents, receipt.rows_erased) == ([document], 5)
    assert "fresh" in receipt.namespaces_affected
    assert "weld secretly" not in text_of_everything(rowline)
    assert rowline.found("weld secretly", employee_id="E1") == []
    assert rowline.stored().keys() == rowline.promised()


def test_a_namespace_that_was_given_to_somebody_else_keeps_their_rows(rowline: Deployment):
    put = rowline.services.ledger.organizations.put_employees
    put("acme", [Employee("E1", "Name of E1", "shop")])
    rowline.index(TABLE, template=STAFF, mode="employee_split")
    put("acme", [Employee("E1", "Name of E1", "fresh")])
    put("acme", [Employee("E3", "Name of E3", "shop")])
    rowline.index([["no", "task"], ["E3", "rivet"]], template=STAFF, mode="employee_split")
    forget_employee(rowline, "E1")
    assert rowline.found("rivet", employee_id="E3") == ["rivet"]
    assert rowline.stored().keys() == rowline.promised()


@pytest.mark.parametrize("whom", ["E1", None])
def test_nobody_is_erased_from_under_a_document_that_waits_or_is_worked_on(rowline: Deployment, whom: str | None):
    """It would go on with what it has read, and bring all of it back."""
    split(rowline)
    waiting = rowline.upload([["no", "task"], ["E1", "solder"]], template=STAFF, mode="employee_split")
    with pytest.raises(Conflict, match=rf"still waiting or being processed: {waiting.document_id}\. Let them end"):
        forget_employee(rowline, whom) if whom else erase_acme(rowline)
    assert "weld secretly" in text_of_everything(rowline)


def test_an_employee_is_found_by_data_and_not_by_what_a_sentence_happens_to_say(rowline: Deployment):
    """A stranger's number may itself read like the middle of the sentence about another one."""
    rowline.employees("E2")
    strangers = ["E9", "E9 (column no", "E9%", "e9"]
    rows = [["no", "task"], *([number, f"work of {number}"] for number in strangers)]
    rowline.index([*rows, ["E2", "saw"]], template=STAFF, mode="employee_split")
    rowline.employees("E9")  # joined the list after their row was read
    forget_employee(rowline, "E9")
    left = rowline.sql("SELECT employee_key, error_code FROM lineage ORDER BY row_position")
    assert [tuple(row.values()) for row in left] == [
        (None, "erased"),
        *((number, "employee_unknown") for number in strangers[1:]),
        ("E2", None),
    ]


def test_a_document_tells_of_the_rows_that_are_left_and_is_not_read_again(rowline: Deployment):
    document = split(rowline)
    forget_employee(rowline, "E1")
    newest = rowline.services.ledger.documents.latest(document)
    counts = {name: newest.result[name] for name in ("totalRows", "processedRows", "errorRows", "duplicateRows")}
    assert counts == {"totalRows": 5, "processedRows": 1, "errorRows": 4, "duplicateRows": 0}
    assert {error["message"] for error in newest.result["errors"]} == {
        ERASED.message,
        "employee E9 (column no) is not in the employee list",
    }
    (batch, _) = rowline.services.ledger.documents.batches(document, newest.version)
    assert (batch["processedRows"], len(batch["errors"])) == (1, 3)
    with pytest.raises(PermanentError, match="was erased on request; upload the list anew"):
        _ = newest.file
    again = rowline.upload_result([*TABLE, ["E1", "polish"]], document, template=STAFF, mode="employee_split")
    assert (again.already_known, again.version.version) == (False, 3)


def test_a_file_that_comes_again_after_an_erasure_is_read_also_under_its_key(rowline: Deployment):
    """Answered with the version that forgot its rows, it would be lost without a word. An inbox's key is its path."""
    rowline.employees("E1")
    file: dict[str, Any] = {"template": STAFF, "mode": "employee_split", "upload_key": "inbox:acme/Name of E1.csv:1:2"}
    first = rowline.index(TABLE, **file)
    forget_employee(rowline, "E1")
    assert rowline.sql("SELECT upload_key FROM versions") == [{"upload_key": None}]
    again = rowline.upload_result(TABLE, **file)
    assert (again.already_known, again.version.document_id == first.document_id) == (False, False)


def test_what_is_uploaded_while_an_organization_goes_is_whole_and_told(rowline: Deployment):
    rowline.index(items("anvil"))
    services = rowline.services
    services.ledger.organizations.put_template("acme", STAFF)
    late = []

    def upload_once(*_: object) -> None:
        if not late:
            late.append(rowline.upload(items("bolt")))

    hooked = replace(services.document_stores, ledger=watched_ledger(services.ledger, upload_once, "removals"))
    receipt = erase_organization(hooked, "acme", NOW, dry_run=False)
    assert receipt.arrived_meanwhile == [late[0].document_id]
    assert rowline.process(late[0].document_id).status == "completed"
    assert len(rowline.found("bolt")) == 1
    assert (receipt.templates_deleted, rowline.stored().keys()) == (0, rowline.promised())
    assert erase_acme(rowline).arrived_meanwhile == []
    assert "bolt" not in text_of_everything(rowline)


def test_a_file_that_is_just_being_uploaded_is_there_when_its_version_is_recorded(rowline: Deployment):
    """Its bytes are stored and the ledger has no word of them when the organization is erased."""
    rowline.index(items("anvil"))
    services = rowline.services

    def erase(*_: object) -> None:
        erase_organization(services.document_stores, "acme", datetime.now(UTC), dry_run=False)

    uploads = replace(services.uploads, ledger=watched_ledger(services.ledger, erase, "uploads"))
    body = io.BytesIO(csv_bytes(items("bolt")))
    version = uploads.upload(body, "a.csv", "acme", WorkbookTemplate(), "company_wide").version
    assert rowline.process(version.document_id).status == "completed"
    assert len(rowline.found("item")) == 1


def test_an_event_that_waits_brings_no_file_into_an_organization_that_goes(rowline: Deployment):
    """The sensor ticks on between two of its documents."""
    rowline.index(items("anvil"))
    services, events = rowline.services, Events(rowline)
    run = events.upload("app-doc", "bolt")

    def tick(name: str, _: tuple[Any, ...]) -> None:
        if name == "withdraw":
            FunctionRunner(FunctionResources(services.ledger, services.uploads, services.event_files)).work(9.0)

    ticking = replace(services.document_stores, ledger=watched_ledger(services.ledger, tick, "removals"))
    receipt = erase_organization(ticking, "acme", NOW, dry_run=False)
    assert (receipt.events_deleted, receipt.arrived_meanwhile) == (1, [])
    assert run not in text_of_everything(rowline)


def test_what_vector_sync_brings_back_of_an_employee_while_they_are_erased_goes_too(rowline: Deployment):
    split(rowline)
    services = rowline.services

    def repair(name: str, _: tuple[Any, ...]) -> None:
        if name == "erase_rows":
            assert sync_vectors(services.ledger, services.vectors, repair=True).restored

    repaired = replace(services.document_stores, ledger=watched_ledger(services.ledger, repair, "erasures"))
    erase_employee(repaired, "acme", "E1", dry_run=False)
    assert "E1" not in text_of_everything(rowline)
    assert rowline.stored().keys() == rowline.promised()


def test_a_dry_run_counts_what_several_documents_share(rowline: Deployment):
    rowline.index(items("anvil", "bolt"))
    rowline.index(items("anvil", "bolt"))
    assert erase_acme(rowline, dry_run=True).vectors_deleted == erase_acme(rowline).vectors_deleted == 2


def test_an_organization_that_nobody_knows_is_not_erased(rowline: Deployment):
    with pytest.raises(NotFound, match="There is no organization acme"):
        erase_acme(rowline)
