"""The rows of a version as a Parquet file: written and read in parts, so memory is bounded by a part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from domain.documents.row_errors import parse_row_error
from domain.documents.rows import Row

if TYPE_CHECKING:
    import pyarrow as pa

PREVIEW_ROWS = 5
DIGEST = "rowline.digest"
VECTOR_ID = Row._fields.index("vector_id")


@dataclass(frozen=True, slots=True)
class RowsSummary:
    """What was written. `digest` is the same for the same rows in the same places."""

    total_rows: int
    error_rows: int
    batches: int
    digest: str
    preview: list[Row]


def write_rows(path: Path, parts: Iterable[list[Row]]) -> RowsSummary:
    import pyarrow.parquet as pq

    total = errors = batches = 0
    digest = blake2b(digest_size=16)
    preview: list[Row] = []
    with pq.ParquetWriter(path, _schema(), compression="zstd", compression_level=1) as writer:
        for rows in parts:
            if not rows:
                continue
            preview.extend(rows[: PREVIEW_ROWS - len(preview)])
            total += len(rows)
            errors += sum(row.error is not None for row in rows)
            batches = rows[-1].batch_number
            digest.update(b"".join([_identity(row) for row in rows]))
            writer.write_batch(_as_batch(rows))
        writer.add_key_value_metadata({DIGEST: digest.hexdigest()})
    return RowsSummary(total, errors, batches, digest.hexdigest(), preview)


def read_rows(path: Path) -> Iterator[list[Row]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1000):
            stored = [name for name in Row._fields if name in batch.schema.names]
            columns = [batch.column(name).to_pylist() for name in stored]
            identities = [UUID(bytes=value) if value else None for value in columns[VECTOR_ID]]
            columns[VECTOR_ID] = identities
            rows = [Row(*values) for values in zip(*columns, strict=True)]
            yield rows if len(stored) == len(Row._fields) else [_with_error_code(row) for row in rows]


def rows_digest(path: Path) -> str:
    """The digest that `write_rows` reported, read back from the file."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return str(file.metadata.metadata[DIGEST.encode()].decode())


def count_rows(path: Path) -> int:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return int(file.metadata.num_rows)


def _schema() -> pa.Schema:
    import pyarrow as pa

    types: dict[str, Any] = {
        "position": pa.int32(),
        "sheet": pa.string(),
        "row_number": pa.int32(),
        "batch_number": pa.int32(),
        "employee_id": pa.string(),
        "namespace": pa.string(),
        "error": pa.string(),
        "vector_id": pa.binary(16),
        "content_hash": pa.binary(16),
        "text_hash": pa.binary(16),
        "row_key": pa.binary(16),
        "content": pa.string(),
        "source_row": pa.binary(),
        "error_code": pa.string(),
        "employee_key": pa.string(),
    }
    return pa.schema([(name, types[name]) for name in Row._fields])


def _with_error_code(row: Row) -> Row:
    """A row of a file that was written before errors had codes."""
    if row.error is None:
        return row._replace(employee_key=row.employee_id)
    code, employee = parse_row_error(row.error, orjson.loads(row.source_row))
    return row._replace(error_code=code, employee_key=employee or row.employee_id)


def _as_batch(rows: list[Row]) -> pa.RecordBatch:
    import pyarrow as pa

    schema = _schema()
    columns = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
    columns["vector_id"] = tuple(value.bytes if value else None for value in columns["vector_id"])
    return pa.record_batch([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def _identity(row: Row) -> bytes:
    """The bytes that identify a row and its place."""
    sheet = row.sheet.encode()
    place = b"%d %d %d %d " % (row.row_number, row.batch_number, len(sheet), len(row.source_row)) + sheet
    owner = row.vector_id.bytes if row.vector_id else (row.error or "").encode()
    return b"".join((place, row.source_row, row.content_hash, row.row_key, owner))
