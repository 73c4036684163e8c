"""The vector store in PostgreSQL: pgvector's `halfvec`, two bytes a number.

Queries are exact: a search reaches the namespaces of one owner only, and an exact scan of 10,000 vectors takes
milliseconds, while an HNSW index costs more than all other work of a first upload together (ADR 0004).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from resources.binary_copy import copy_body, jsonb, vector_values
from resources.database import Database, copy_or_merge
from resources.vectors.protocol import Match, VectorBatch

if TYPE_CHECKING:
    import numpy as np


class PgVectorStore:
    """The body of `VectorStore` over the table `vectors`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def missing(self, model: str, namespace: str, ids: Sequence[str]) -> list[str]:
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT wanted.id FROM unnest(%(ids)s::uuid[]) AS wanted(id) WHERE NOT EXISTS (SELECT 1 FROM vectors "
                "WHERE model = %(model)s AND namespace = %(namespace)s AND vector_id = wanted.id)",
                {"ids": list(ids), "model": model, "namespace": namespace},
            ).fetchall()
        return [str(row["id"]) for row in rows]

    def upsert(self, model: str, namespace: str, batch: VectorBatch) -> None:
        owner = (model.encode(), namespace.encode())
        body = copy_body(
            (*owner, UUID(vector_id).bytes, vector, jsonb(orjson.dumps(metadata)))
            for vector_id, vector, metadata in zip(
                batch.ids, vector_values(batch.matrix, 16), batch.metadata, strict=True
            )
        )
        with self._database.transaction() as connection:
            copy_or_merge(
                connection,
                "vectors",
                ("model", "namespace", "vector_id", "embedding", "metadata"),
                body,
                "(model, namespace, vector_id) DO UPDATE SET embedding = excluded.embedding, "
                "metadata = excluded.metadata",
            )

    def delete(self, model: str, namespace: str, ids: Sequence[str]) -> int:
        with self._database.transaction() as connection:
            return connection.execute(
                "DELETE FROM vectors WHERE model = %s AND namespace = %s AND vector_id = ANY(%s::uuid[])",
                (model, namespace, list(ids)),
            ).rowcount

    def ids(self, model: str, namespace: str, after: str | None, limit: int) -> list[str]:
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT vector_id FROM vectors WHERE model = %(model)s AND namespace = %(namespace)s "
                "AND (%(after)s::uuid IS NULL OR vector_id > %(after)s::uuid) ORDER BY vector_id LIMIT %(limit)s",
                {"model": model, "namespace": namespace, "after": after, "limit": limit},
            ).fetchall()
        return [str(row["vector_id"]) for row in rows]

    def query(
        self,
        model: str,
        namespaces: Sequence[str],
        vector: "np.ndarray",
        top_k: int,
        among: Sequence[str] | None = None,
    ) -> list[Match]:
        probe = "[" + ",".join(f"{number:.8g}" for number in vector) + "]"  # one vector: text is fine here
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT vector_id, namespace, 1 - (embedding <=> %(probe)s::halfvec) AS score FROM vectors "
                "WHERE model = %(model)s AND namespace = ANY(%(namespaces)s) "
                "AND (%(among)s::uuid[] IS NULL OR vector_id = ANY(%(among)s::uuid[])) "
                "ORDER BY embedding <=> %(probe)s::halfvec, vector_id LIMIT %(top_k)s",
                {
                    "probe": probe,
                    "model": model,
                    "namespaces": list(namespaces),
                    "top_k": top_k,
                    "among": None if among is None else list(among),
                },
            ).fetchall()
        return [Match(str(row["vector_id"]), row["namespace"], float(row["score"])) for row in rows]
