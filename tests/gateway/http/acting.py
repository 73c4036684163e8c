"""What a running deployment would do meanwhile."""

from typing import Any

from resources.ledger.documents.documents import Version
from resources.ledger.documents.uploads import SameName
from tests.laws.deployment import Deployment, Table


def indexed(
    rowline: Deployment, table: Table | bytes, document: str | SameName | None = None, **upload: Any
) -> Version:
    """Upload and process, without Dagster around it: these tests are about the answers afterwards."""
    return rowline.quick(rowline.upload(table, document, **upload).document_id)
