"""How hits and lineage are told to people and apps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from domain.timestamps import isoformat_utc
from operations.documents.search import Hit


def hit_json(hit: Hit) -> dict[str, Any]:
    """One hit, with the live rows that it comes from. A question of no known word is near to nothing: it scores 0."""
    match, sources = hit.match, hit.sources
    return {
        "score": 0.0 if isnan(match.score) else round(match.score, 6),
        "text": sources[0]["content"],
        "vectorId": match.vector_id,
        "namespace": match.namespace,
        "sources": [
            {
                "documentId": row["document_id"],
                "version": row["version"],
                "filename": row["filename"],
                "sheet": row["sheet"],
                "rowNumber": row["row_number"],
                "employeeId": row["employee_id"],
            }
            for row in sources
        ],
    }


def trace_json(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a vector came from; at least one row."""
    first = rows[0]
    return {
        "vectorId": str(first["vector_id"]),
        "namespace": first["namespace"],
        "contentHash": first["content_hash"].hex(),
        "model": first["model"],
        "dimension": first["dimension"],
        "embeddedAt": isoformat_utc(first["embedded_at"]),
        "text": first["content"],
        "rows": [
            {
                "documentId": row["document_id"],
                "version": row["version"],
                "live": row["live"],
                "filename": row["filename"],
                "sheet": row["sheet"],
                "rowNumber": row["row_number"],
                "batchNumber": row["batch_number"],
                "runId": row["run_id"],
                "employeeId": row["employee_id"],
                "outcome": row["outcome"],
                "sourceRow": row["source_row"],
            }
            for row in rows
        ],
    }
