"""What a running deployment would do meanwhile."""

from typing import Any

from resources.ledger.arrivals import SameName
from resources.ledger.documents import Version
from tests.laws.deployment import Deployment, Table


def indexed(
    rowline: Deployment, table: Table | bytes, document: str | SameName | None = None, **upload: Any
) -> Version:
    """Upload and process, without Dagster around it: these tests are about what is told afterwards."""
    return rowline.quick(rowline.upload(table, document, **upload).document_id)
