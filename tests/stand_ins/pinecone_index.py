"""One index of the Pinecone stand-in: what it holds, what it refuses, and how late it shows what was written.

Limits and the wording of errors follow contracts.md 3.2. Cosine and dense vectors only.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

METADATA_BYTES = 40_960
VECTORS = 1_000  # of one upsert; also the ids of one delete or fetch
PAGE = 100  # of one list
TOP_K = 10_000
FILTER_VALUES = 10_000
INVALID, NOT_FOUND = 3, 5  # grpc codes


class Refusal(Exception):
    """An error answer of the data plane."""

    def __init__(self, status: int, message: str, code: int = INVALID) -> None:
        super().__init__(message)
        self.status = status
        self.body = orjson.dumps({"code": code, "message": message, "details": []})


def refuse_unless(holds: bool, message: str) -> None:
    if not holds:
        raise Refusal(400, message)


@dataclass(slots=True)
class Write:
    """A write on its way to the readers: seen when this many reads have passed, or at `settle`."""

    lsn: int
    apply: Callable[[], None]
    reads_left: float


@dataclass(slots=True)
class Namespace:
    """Vectors as readers see them."""

    vectors: dict[str, tuple[np.ndarray, dict[str, Any]]] = field(default_factory=dict)
    table: tuple[list[str], np.ndarray] | None = None  # ids and unit rows, made at the first query after a write

    def unit_rows(self) -> tuple[list[str], np.ndarray]:
        if self.table is None:
            ids = list(self.vectors)
            rows = np.stack([self.vectors[id_][0] for id_ in ids]) if ids else np.zeros((0, 1), dtype=np.float32)
            self.table = ids, rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return self.table


class Index:
    """An index of `dimension` numbers. `lag`: reads until a write is seen; 0 at once, infinite only at `settle`."""

    def __init__(self, dimension: int, metric: str = "cosine", lag: float = 0) -> None:
        self.dimension, self.metric, self.lag = dimension, metric, lag
        self.lsn = 0  # of the newest write
        self.lsn_seen = 0  # up to which readers see
        self._namespaces: dict[str, Namespace] = {}
        self._written: set[str] = set()  # namespaces that are there for writers
        self._on_the_way: deque[Write] = deque()

    # -- lag --------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Everything written is seen from now on."""
        while self._on_the_way:
            self._see(self._on_the_way.popleft())

    def _write(self, apply: Callable[[], None]) -> None:
        self.lsn += 1
        self._on_the_way.append(Write(self.lsn, apply, self.lag))
        if not self.lag:
            self.settle()

    def _see(self, write: Write) -> None:
        write.apply()
        self.lsn_seen = write.lsn

    def has_been_read(self) -> None:
        """Writes age by one read; those old enough are seen, in order."""
        for write in self._on_the_way:
            write.reads_left -= 1
        while self._on_the_way and self._on_the_way[0].reads_left <= 0:
            self._see(self._on_the_way.popleft())

    # -- writing ----------------------------------------------------------------------------------------------

    def upsert(self, body: dict[str, Any]) -> dict[str, Any]:
        name = namespace_of(body)
        vectors = body.get("vectors")
        refuse_unless(isinstance(vectors, list) and bool(vectors), "Upsert request must contain at least one vector")
        refuse_unless(len(vectors) <= VECTORS, f"Vector count {len(vectors)} exceeds the limit of {VECTORS}")
        rows = {vector.get("id"): self._checked(vector) for vector in vectors}

        def apply() -> None:
            namespace = self._namespaces.setdefault(name, Namespace())
            namespace.vectors |= rows
            namespace.table = None

        self._written.add(name)
        self._write(apply)
        return {"upsertedCount": len(vectors)}

    def _checked(self, vector: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
        check_id(vector.get("id"))
        values = vector.get("values")
        self.check_values(values)
        metadata = vector.get("metadata") or {}
        check_metadata(metadata)
        return np.array(values, dtype=np.float32), metadata

    def check_values(self, values: Any) -> None:
        refuse_unless(isinstance(values, list) and None not in values, "Invalid value in field 'values'")
        refuse_unless(
            len(values) == self.dimension,
            f"Vector dimension {len(values)} does not match the dimension of the index {self.dimension}",
        )
        refuse_unless(any(values), "Dense vectors must contain at least one non-zero value")

    def delete(self, body: dict[str, Any]) -> dict[str, Any]:
        name = namespace_of(body)
        self._known(name)
        ids, everything = body.get("ids"), body.get("deleteAll", False)
        refuse_unless((ids is None) == bool(everything), "Provide exactly one of ids and deleteAll")
        refuse_unless(ids is None or 0 < len(ids) <= VECTORS, f"Too many ids: {len(ids or ())}, at most {VECTORS}")
        for id_ in ids or ():
            check_id(id_)

        def apply() -> None:
            namespace = self._namespaces.setdefault(name, Namespace())
            for id_ in list(namespace.vectors) if everything else ids:
                namespace.vectors.pop(id_, None)
            namespace.table = None

        self._write(apply)
        return {}

    def drop(self, name: str) -> dict[str, Any]:
        self._known(name)
        self._written.discard(name)
        self._write(lambda: self._namespaces.pop(name, None) and None)
        return {}

    def _known(self, name: str) -> None:
        if name not in self._written:
            raise Refusal(404, "Namespace not found", NOT_FOUND)

    # -- reading ----------------------------------------------------------------------------------------------

    def query(self, body: dict[str, Any]) -> dict[str, Any]:
        name, top_k = namespace_of(body), body.get("topK")
        refuse_unless(isinstance(top_k, int) and 1 <= top_k <= TOP_K, f"top_k must be between 1 and {TOP_K}")
        self.check_values(body.get("vector"))
        ids, rows = self._seen(name).unit_rows()
        probe = np.array(body["vector"], dtype=np.float32)
        scores = rows @ (probe / np.linalg.norm(probe)) if ids else np.zeros(0, dtype=np.float32)
        matches = []
        for place in np.argsort(-scores, kind="stable"):
            if len(matches) == top_k:
                break
            values, metadata = self._seen(name).vectors[ids[place]]
            if satisfies(metadata, body.get("filter")):
                match = {"id": ids[place], "score": float(scores[place]), "values": []}
                if body.get("includeValues"):
                    match["values"] = values.tolist()
                matches.append(match | ({"metadata": metadata} if body.get("includeMetadata") else {}))
        return {"results": [], "matches": matches, "namespace": name, "usage": {"readUnits": 1}}

    def fetch(self, ids: Sequence[str], name: str) -> dict[str, Any]:
        refuse_unless(0 < len(ids) <= VECTORS, f"Too many ids: {len(ids)}, at most {VECTORS}")
        held = self._seen(name).vectors
        found = {
            id_: {"id": id_, "values": held[id_][0].tolist(), "metadata": held[id_][1]} for id_ in ids if id_ in held
        }
        return {"vectors": found, "namespace": name, "usage": {"readUnits": 1}}

    def page(self, name: str, prefix: str, limit: int, after: str) -> dict[str, Any]:
        refuse_unless(1 <= limit <= PAGE, f"limit must be between 1 and {PAGE}")
        left = sorted(id_ for id_ in self._seen(name).vectors if id_.startswith(prefix) and id_ > after)
        answer = {"vectors": [{"id": id_} for id_ in left[:limit]], "namespace": name, "usage": {"readUnits": 1}}
        return answer | ({"pagination": {"next": left[limit - 1]}} if len(left) > limit else {})

    def namespaces(self, prefix: str, limit: int, after: str) -> dict[str, Any]:
        refuse_unless(1 <= limit <= PAGE, f"limit must be between 1 and {PAGE}")
        names = sorted(name for name in self._namespaces if name.startswith(prefix))
        left = [name for name in names if name > after]
        response = [{"name": name, "record_count": str(len(self._namespaces[name].vectors))} for name in left[:limit]]
        answer = {"namespaces": response, "total_count": len(names)}
        return answer | ({"pagination": {"next": left[limit - 1]}} if len(left) > limit else {})

    def stats(self) -> dict[str, Any]:
        counts = {name: len(held.vectors) for name, held in self._namespaces.items()}
        return {
            "namespaces": {name: {"vectorCount": count} for name, count in counts.items()},
            "dimension": self.dimension,
            "metric": self.metric,
            "vectorType": "dense",
            "indexFullness": 0,
            "totalVectorCount": sum(counts.values()),
        }

    def _seen(self, name: str) -> Namespace:
        return self._namespaces.get(name) or Namespace()

    def held(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(namespace, id) → metadata of what readers see."""
        return {
            (name, id_): metadata
            for name, namespace in self._namespaces.items()
            for id_, (_, metadata) in namespace.vectors.items()
        }


def namespace_of(body: dict[str, Any]) -> str:
    name = body.get("namespace", "__default__")
    refuse_unless(
        isinstance(name, str) and name.isascii() and "\0" not in name and len(name) <= 512,
        "Namespace must be ASCII of at most 512 characters",
    )
    return str(name) or "__default__"


def check_id(id_: Any) -> None:
    refuse_unless(isinstance(id_, str) and 1 <= len(id_) <= 512, "Vector ID must be 1 to 512 characters")
    refuse_unless(id_.isascii() and "\0" not in id_, f"Vector ID must be ASCII, but got '{id_}'")


def check_metadata(metadata: dict[str, Any]) -> None:
    for key, value in metadata.items():
        refuse_unless(not key.startswith("$"), f"Metadata key '{key}' must not start with '$'")
        plain = isinstance(value, str | bool | int | float)
        texts = isinstance(value, list) and all(isinstance(part, str) for part in value)
        refuse_unless(
            plain or texts,
            "Metadata value must be a string, number, boolean or list of strings, got "
            f"'{orjson.dumps(value).decode()}' for field '{key}'",
        )
    size = len(orjson.dumps(metadata))
    refuse_unless(
        size <= METADATA_BYTES,
        f"Metadata size is {size} bytes, which exceeds the limit of {METADATA_BYTES} bytes per vector",
    )


def satisfies(metadata: dict[str, Any], wanted: dict[str, Any] | None) -> bool:
    """Whether metadata passes a filter: `$and`, `$or`, `$eq $ne $in $nin $gt $gte $lt $lte $exists`."""
    for key, condition in (wanted or {}).items():
        if key in ("$and", "$or"):
            verdicts = [satisfies(metadata, part) for part in condition]
            passed = all(verdicts) if key == "$and" else any(verdicts)
        else:
            tests = condition if isinstance(condition, dict) else {"$eq": condition}
            passed = all(_passes(metadata.get(key), operator, value) for operator, value in tests.items())
        if not passed:
            return False
    return True


def _passes(held: Any, operator: str, value: Any) -> bool:
    parts = held if isinstance(held, list) else [held]
    if operator in ("$in", "$nin"):
        refuse_unless(len(value) <= FILTER_VALUES, f"{operator} takes at most {FILTER_VALUES} values")
        return (operator == "$in") == any(part in value for part in parts)
    if operator in ("$eq", "$ne"):
        return (operator == "$eq") == (value in parts)
    if operator == "$exists":
        return (held is not None) == value
    refuse_unless(re.fullmatch(r"\$[gl]te?", operator) is not None, f"{operator} is not a valid operator")
    number = held if isinstance(held, int | float) else math.nan
    return {"$gt": number > value, "$gte": number >= value, "$lt": number < value, "$lte": number <= value}[operator]
