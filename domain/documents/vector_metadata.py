"""What travels with a vector into the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson

from domain.documents.row_errors import RowError

# The strictest store decides for all, so that a document can move from one to another: Pinecone takes 40,960 bytes
# of JSON a vector. What is always sent (ids, sheet, hash, model) needs less than the difference.
FIELD_BYTES = 39_000
METADATA_VERSION = "1"  # code_version of namespace_vectors: bump when the same row would get other metadata


class Placed(Protocol):
    """A vector's place in its document."""

    @property
    def sheet(self) -> str: ...
    @property
    def row_number(self) -> int: ...
    @property
    def employee_id(self) -> str | None: ...
    @property
    def content_hash(self) -> str: ...
    @property
    def source_row(self) -> Mapping[str, Any]: ...


def metadata_error(fields: Mapping[str, str]) -> RowError | None:
    """Why a row's `metadataFields` cannot travel with its vector, or None. Checked before anything is paid."""
    if 6 * sum(map(len, fields.values())) + 8 * sum(map(len, fields)) < FIELD_BYTES:  # the longest JSON can make them
        return None
    size = len(orjson.dumps(fields))
    if size <= FIELD_BYTES:
        return None
    longest = max(fields, key=lambda name: len(fields[name]))
    return RowError("metadata_too_large", {"size": size, "limit": FIELD_BYTES, "longest": longest})


def vector_metadata(document_id: str, vector: Placed, fields: Sequence[str]) -> dict[str, Any]:
    """Document, sheet, row number, content hash, employee, and the template's `metadataFields`.

    Equal rows share a vector, so document and row are those that first brought it; lineage names them all.
    """
    metadata = {name: vector.source_row[name] for name in fields if name in vector.source_row}
    metadata |= {
        "documentId": document_id,
        "sheet": vector.sheet,
        "rowNumber": vector.row_number,
        "contentHash": vector.content_hash,
    }
    if vector.employee_id is not None:
        metadata["employeeId"] = vector.employee_id
    return metadata
