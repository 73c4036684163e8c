"""JSON of hits and of what a vector came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from typing import Any, Self

from pydantic import Field, TypeAdapter

from gateway.schemas.base import Schema, Timestamp, present
from operations.documents.search import Hit as FoundHit


class Source(Schema):
    """A live row that a hit comes from."""

    document_id: str
    version: int
    filename: str
    sheet: str
    row_number: int
    employee_id: str | None


class Hit(Schema):
    """One vector that is near to the question."""

    score: float
    text: str
    vector_id: str
    namespace: str
    sources: list[Source]


HIT_LIST = TypeAdapter(list[Hit])


class Hits(Schema):
    """The best hits, best first."""

    hits: list[Hit]
    not_searched: list[str] = Field(
        [],
        description="Present only if live documents are out of reach: vectors of another model, or in another store.",
    )

    @classmethod
    def from_hits(cls, hits: Iterable[FoundHit], not_searched: Sequence[str] = ()) -> Self:
        # validated together: a search is answered in a few milliseconds, and each call into pydantic costs some
        validated = HIT_LIST.validate_python([_fields(hit) for hit in hits])
        return cls(hits=validated, **present(not_searched=list(not_searched)))


def _fields(hit: FoundHit) -> dict[str, Any]:
    """A question of unknown words only is near to nothing: its score, not a number, is 0."""
    match, rows = hit.match, hit.sources
    return {
        "score": 0.0 if isnan(match.score) else round(match.score, 6),
        "text": rows[0]["content"],
        "vector_id": match.vector_id,
        "namespace": match.namespace,
        "sources": rows,
    }


class TracedRow(Schema):
    """A row that points at the vector, of any stored version."""

    document_id: str
    version: int
    live: bool
    filename: str
    sheet: str
    row_number: int
    batch_number: int
    run_id: str
    employee_id: str | None
    outcome: str
    source_row: dict[str, Any]


TRACED_ROWS = TypeAdapter(list[TracedRow])


class Trace(Schema):
    """Everything that a vector came from."""

    vector_id: str
    namespace: str
    content_hash: str
    model: str
    dimension: int
    embedded_at: Timestamp | None
    text: str
    rows: list[TracedRow]

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]]) -> Self:
        """From the lineage of one vector: at least one row."""
        first = rows[0]
        return cls(
            vector_id=str(first["vector_id"]),
            namespace=first["namespace"],
            content_hash=first["content_hash"].hex(),
            model=first["model"],
            dimension=first["dimension"],
            embedded_at=first["embedded_at"],
            text=first["content"],
            rows=TRACED_ROWS.validate_python(rows),
        )
