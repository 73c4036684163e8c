"""Erasures that tests carry out, and what of a deployment is left to read afterwards."""

from __future__ import annotations

from datetime import UTC, datetime

from operations.documents.erasure import Receipt, erase_employee, erase_organization
from tests.laws.deployment import Deployment, template

NOW = datetime(2030, 1, 1, tzinfo=UTC)  # every upload of a test is older than an hour
STAFF = template(employeeIdentifier="no", embeddingTemplate="{{task}}", metadataFields=["no"])
TABLE = [["no", "task"], ["E1", "weld secretly"], ["E2", "saw"], ["E1", "paint"], ["E9", "nobody knows"]]


def tables(rowline: Deployment) -> list[str]:
    return [row["name"] for row in rowline.sql("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")]


def text_of_everything(rowline: Deployment) -> str:
    """All that the database holds, as text."""
    return " ".join(str(rowline.sql(f"SELECT * FROM {table}")) for table in tables(rowline))


def split(rowline: Deployment) -> str:
    """A document of two versions, split by employee; one employee joins the list between them."""
    rowline.employees("E2")
    document = rowline.index(TABLE, template=STAFF, mode="employee_split").document_id
    rowline.employees("E1")
    rowline.index([*TABLE, ["E1", "polish"]], document, template=STAFF, mode="employee_split")
    return document


def forget_employee(rowline: Deployment, number: str, dry_run: bool = False) -> Receipt:
    return erase_employee(rowline.services.document_stores, "acme", number, dry_run)


def erase_acme(rowline: Deployment, dry_run: bool = False) -> Receipt:
    return erase_organization(rowline.services.document_stores, "acme", NOW, dry_run)
