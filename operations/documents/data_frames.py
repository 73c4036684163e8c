"""Rows and lineage of a version as typed pandas DataFrames, in reading order.

Texts are `string`, counts `Int64`, truth values `boolean` (missing: `pd.NA`), times `datetime64` in UTC (missing:
`pd.NaT`). Cells are text, as the reader recorded them: a number that looks like 007 is not 7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from domain.errors import Conflict, ErrorCode, NotFound, RowlineError, TransientError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from resources.ledger.documents.documents import Version
    from resources.ledger.ledger import Ledger
    from resources.objects.protocol import ObjectStore

PLACE = ("sheet", "row_number")
FACTS = ("batch_number", "employee_id", "namespace", "vector_id", "content_hash", "content", "error")
LINEAGE = {
    "vector_id": "text",
    "namespace": "text",
    "sheet": "text",
    "row_number": "count",
    "batch_number": "count",
    "employee_id": "text",
    "outcome": "text",
    "error": "text",
    "content_hash": "text",
    "run_id": "text",
    "model": "text",
    "dimension": "count",
    "embedded_at": "time",
    "live": "truth",
    "document_id": "text",
    "version": "count",
    "filename": "text",
}
PART_ROWS = 10_000


class NotProcessedYet(TransientError):
    """A version has no rows or no lineage so far; processing it makes them."""

    code = ErrorCode.NOT_PROCESSED_YET


def find_version(ledger: Ledger, document_id: str, number: int | None = None) -> Version:
    """A version of a document; without a number the live one, or the newest one if none is live.

    Raises NotFound for an unknown document or version, and for a document that is being removed.
    """
    newest = ledger.documents.latest(document_id)
    if newest.removed:
        raise NotFound(f"Document {document_id} is being removed; nothing of it can be loaded")
    if number is None:
        number = newest.live_version or newest.version
    return newest if number == newest.version else ledger.documents.get(document_id, number)


def rows_frame(objects: ObjectStore, version: Version) -> pd.DataFrame:
    """`PLACE`, the file's own columns under their names, then `FACTS`.

    A column of the file that has one of these names gets ` (file)` behind it. A cell is missing if the row's sheet has
    no such column; a blank one is an empty text.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if version.rows_file not in objects.keys(version.rows_file):
        raise explain_absence(version, "rows")
    facts_parts: list[pa.Table] = []
    cells: list[pa.Table] = []
    with objects.local(version.rows_file) as path, pq.ParquetFile(path) as file:
        for part in file.iter_batches(batch_size=PART_ROWS, columns=[*PLACE, *FACTS, "source_row"]):
            facts_parts.append(pa.table({name: _readable(name, part.column(name)) for name in (*PLACE, *FACTS)}))
            cells.append(_cells(part.column("source_row").to_pylist()))
    facts, file_columns = pa.concat_tables(facts_parts), pa.concat_tables(cells, promote_options="default")
    columns = {name: facts[name] for name in PLACE}
    columns |= dict(zip(free_names(file_columns.column_names), file_columns.columns, strict=True))
    columns |= {name: facts[name] for name in FACTS}
    return _as_frame(pa.table(columns))


def lineage_frame(ledger: Ledger, version: Version) -> pd.DataFrame:
    """One record per row of the version, with the columns of `LINEAGE`."""
    import pyarrow as pa

    if version.state.plan_key is None:
        raise explain_absence(version, "lineage")
    types = {"text": pa.string(), "count": pa.int64(), "truth": pa.bool_(), "time": pa.timestamp("us", tz="UTC")}
    schema = pa.schema([(name, types[kind]) for name, kind in LINEAGE.items()])
    parts = [_batch(rows, schema) for rows in ledger.lineage.records(version, PART_ROWS)]
    return _as_frame(pa.Table.from_batches(parts, schema))


def explain_absence(version: Version, what: str) -> RowlineError:
    """Why a version has no rows or no lineage, and what to do."""
    name = f"Version {version.version} of {version.document_id}"
    if version.status in ("pending", "processing"):
        return NotProcessedYet(f"{name} has no {what} yet: it is {version.status}; try again when it is completed")
    if version.status == "failed":
        return Conflict(f"{name} has no {what}, because it failed: {version.error}")
    return NotFound(
        f"The {what} of version {version.version} of {version.document_id} were erased; upload the file anew"
    )


def free_names(names: Iterable[str]) -> list[str]:
    """The file's column names, each changed until it is none of ours and none of another column."""
    used = {*PLACE, *FACTS}
    free: list[str] = []
    for name in names:
        suffixes = accumulate(repeat(" (file)"), initial="")
        free.append(next(name + suffix for suffix in suffixes if name + suffix not in used))
        used.add(free[-1])
    return free


def _cells(source_rows: Sequence[bytes]) -> pa.Table:
    """The cells of some rows: every column that one of them has, in the order of the sheet."""
    import pyarrow as pa

    rows: list[Mapping[str, str]] = [orjson.loads(row) for row in source_rows]
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})


def _readable(name: str, column: pa.Array) -> pa.Array:
    """Ids and hashes as texts, spelled as in lineage; counts as the integers of pandas."""
    import pyarrow as pa

    if name == "vector_id":
        return pa.array([value and str(UUID(bytes=value)) for value in column.to_pylist()], pa.string())
    if name == "content_hash":
        return pa.array([value.hex() for value in column.to_pylist()], pa.string())
    return column.cast(pa.int64()) if pa.types.is_integer(column.type) else column


def _batch(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.record_batch([pa.array([row[field.name] for row in rows], field.type) for field in schema], schema)


def _as_frame(table: pa.Table) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    kinds = {pa.string(): pd.StringDtype("pyarrow"), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return table.to_pandas(types_mapper=kinds.get)
