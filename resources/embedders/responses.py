"""The bytes of a `POST /embeddings` as one matrix, never as a Python list of numbers."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any

from domain.errors import ConfigurationError
from resources.embedders.errors import ResponseLost

if TYPE_CHECKING:
    from resources.embedders.protocol import Vectors


def parse_response(body: bytes, count: int, dimension: int) -> tuple[Vectors, int | None]:
    """The vectors in the order of the inputs, and the billed tokens if the service says them.

    Raises ResponseLost for anything that is not `count` finite vectors, each with a length and a place of its
    own, and ConfigurationError if all of them have another dimension than was set.
    """
    import orjson

    try:
        answer = orjson.loads(body)
    except ValueError:
        raise _unusable_response(f"something that is no JSON ({len(body):,} bytes)") from None
    return parse_embeddings(answer, count, dimension)


def parse_embeddings(answer: Any, count: int, dimension: int) -> tuple[Vectors, int | None]:
    """The same for a response whose JSON is parsed."""
    try:
        items = sorted(answer["data"], key=lambda item: item["index"])
        places = [item["index"] for item in items]
        rows = [_vector(item["embedding"]) for item in items]
        usage = answer.get("usage") or {}
        tokens = None if usage.get("prompt_tokens") is None else int(usage["prompt_tokens"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _unusable_response("something that is no list of embeddings") from None
    if places != list(range(count)):
        raise _unusable_response(f"{len(places)} vectors that do not match the {count} inputs sent")
    return _matrix(rows, dimension), tokens


def _vector(embedding: Any) -> Vectors:
    """We request Base64; some compatible servers answer plain numbers all the same."""
    import numpy as np

    if isinstance(embedding, str):
        return np.frombuffer(binascii.a2b_base64(embedding, strict_mode=True), dtype="<f4")
    return np.asarray(embedding, dtype=np.float32)


def _matrix(rows: list[Vectors], dimension: int) -> Vectors:
    import numpy as np

    shapes = {row.shape for row in rows}
    if len(shapes) == 1 and shapes != {(dimension,)} and rows[0].size:
        raise ConfigurationError(
            f"The embedding model gives vectors of {rows[0].size} numbers, not {dimension}; correct "
            "EMBEDDING_DIMENSIONS or EMBEDDING_MODEL."
        )
    if shapes != {(dimension,)}:
        raise _unusable_response("vectors of different lengths")
    matrix = np.stack(rows).astype(np.float32, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):  # judged by the next line, not by a warning
        squares = np.einsum("ij,ij->i", matrix, matrix)
    if not (np.isfinite(squares) & (squares > 0)).all():
        raise _unusable_response("vectors that are zero or not finite")
    return matrix


def _unusable_response(received: str) -> ResponseLost:
    return ResponseLost(f"The embedding service answered {received}.")
