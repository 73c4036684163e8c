"""The right to be forgotten: nothing that an organization or an employee brought is left anywhere."""

from __future__ import annotations

import pytest

from assets.documents.erasure import Receipt, erase_employee, erase_organization
from pipelines.failures import Misuse, TransientFailure
from tests.laws.deployment import Deployment, items, template
from tests.laws.doubles import FailsAt, Watched, watched_ledger

STAFF = template(employeeIdentifier="no", embeddingTemplate="{{task}}", metadataFields=["no"])
TABLE = [["no", "task"], ["E1", "weld secretly"], ["E2", "saw"], ["E1", "paint"], ["E9", "nobody knows"]]
TABLES = ("documents", "versions", "batches", "lineage", "document_namespaces", "embeddings", "employees", "templates")


def text_of_everything(rowline: Deployment) -> str:
    """All that the database holds, as text."""
    told = [str(rowline.sql(f"SELECT * FROM {table}")) for table in (*TABLES, "vectors")]
    return " ".join(told)


def split(rowline: Deployment) -> str:
    rowline.employees("E2")
    document = rowline.index(TABLE, template=STAFF, mode="employee_split").document_id
    rowline.employees("E1")
    rowline.index([*TABLE, ["E1", "polish"]], document, template=STAFF, mode="employee_split")
    return document


def forget_employee(rowline: Deployment, number: str, dry_run: bool = False) -> Receipt:
    services = rowline.services
    return erase_employee(services.ledger, services.vectors, services.objects, "acme", number, dry_run)


def test_an_employee_is_gone_and_the_others_stay(rowline: Deployment):
    document = split(rowline)
    dry = forget_employee(rowline, "E1", dry_run=True)
    assert (dry.documents, dry.vectors_deleted) == ([document], 0)
    assert "weld secretly" in text_of_everything(rowline)

    receipt = forget_employee(rowline, "E1")
    assert (receipt.rows_erased, receipt.vectors_deleted, receipt.embeddings_deleted) == (5, 3, 3)
    held = text_of_everything(rowline)
    for gone in ("weld secretly", "paint", "polish", "E1", "Name of E1"):
        assert gone not in held
    assert rowline.found("saw", employee_id="E2") == ["saw"]
    assert rowline.stored().keys() == rowline.promised()
    version = rowline.services.ledger.documents.newest(document)
    assert [outcome for _, outcome in rowline.outcomes(version)] == ["error", "unchanged", "error", "error", "error"]
    assert not list(rowline.services.objects.keys("uploads/"))
    with pytest.raises(Misuse, match="has no employee E1"):
        forget_employee(rowline, "E1")


def test_an_organization_is_gone_and_its_neighbour_stays(rowline: Deployment):
    split(rowline)
    rowline.index(items("anvil"))
    rowline.services.ledger.organizations.put_template("acme", STAFF)
    rowline.index(items("anvil"), organization="rival")
    services = rowline.services
    receipt = erase_organization(services.ledger, services.vectors, services.objects, "acme", dry_run=False)
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
    failing = FailsAt(point, TransientFailure("the service is away"))
    with pytest.raises(TransientFailure):
        erase_employee(
            watched_ledger(services.ledger, failing, "erasures", "sweeps"),
            Watched(services.vectors, failing),
            Watched(services.objects, failing),
            "acme",
            "E1",
            dry_run=False,
        )
    forget_employee(rowline, "E1")
    assert "E1" not in text_of_everything(rowline)
    assert rowline.stored().keys() == rowline.promised()
