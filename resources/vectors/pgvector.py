"""The vector store in PostgreSQL: pgvector's `halfvec`, two bytes a number.

Queries are exact: a search covers the namespaces of one owner only, and an exact scan of 10,000 vectors takes
milliseconds, while an HNSW index costs more than all other work of a first upload together (ADR 0004).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from domain.errors import ConfigurationError
from resources.database.binary_copy import copy_body, halfvecs, jsonb
from resources.database.connections import Database
from resources.database.copy import copy_or_merge
from resources.vectors.protocol import Match, VectorBatch

if TYPE_CHECKING:
    import numpy as np


ID_PAGE_SIZE = 5000  # per query
MAX_DIMENSION = 16_000  # numbers of a halfvec


class PgVectorStore:
    """`VectorStore` over the table `vectors`."""

    name = "pgvector"
    shared = False
    strongly_consistent = True
    upsert_batch_size = 2000

    def __init__(self, database: Database) -> None:
        self._database = database

    def prepare(self, model: str, dimension: int) -> None:
        if dimension > MAX_DIMENSION:
            raise ConfigurationError(
                f"Model {model} gives vectors of {dimension:,} numbers; pgvector holds {MAX_DIMENSION:,} at most. "
                "Set EMBEDDING_DIMENSIONS lower, or VECTOR_STORE=pinecone"
            )

    def missing(self, model: str, namespace: str, ids: Sequence[str]) -> list[str]:
        # ANY, not a join: with a join the planner reads the whole namespace for every page
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT vector_id FROM vectors WHERE model = %s AND namespace = %s AND vector_id = ANY(%s::uuid[])",
                (model, namespace, list(ids)),
            ).fetchall()
        stored = {str(row["vector_id"]) for row in rows}
        return [vector_id for vector_id in ids if vector_id not in stored]

    def upsert(self, model: str, namespace: str, batch: VectorBatch) -> int | None:
        owner = (model.encode(), namespace.encode())
        body = copy_body(
            (*owner, UUID(vector_id).bytes, vector, jsonb(orjson.dumps(metadata)))
            for vector_id, vector, metadata in zip(batch.ids, halfvecs(batch.matrix), batch.metadata, strict=True)
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
        return None

    def wait_until_visible(self, positions: Mapping[str, int], dimension: int) -> None:
        """A committed upsert is seen by the next query."""

    def delete(self, model: str, namespace: str, ids: Sequence[str]) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM vectors WHERE model = %s AND namespace = %s AND vector_id = ANY(%s::uuid[])",
                (model, namespace, list(ids)),
            )

    def id_pages(self, model: str, namespace: str) -> Iterator[list[str]]:
        after = UUID(int=0)
        while True:  # one query per page: the caller may be slow, and no transaction stays open
            with self._database.statement() as connection:
                rows = connection.execute(
                    "SELECT vector_id FROM vectors WHERE model = %s AND namespace = %s AND vector_id > %s "
                    "ORDER BY vector_id LIMIT %s",
                    (model, namespace, after, ID_PAGE_SIZE),
                ).fetchall()
            if rows:
                yield [str(row["vector_id"]) for row in rows]
            if len(rows) < ID_PAGE_SIZE:
                return
            after = rows[-1]["vector_id"]

    def query(
        self,
        model: str,
        namespaces: Sequence[str],
        vector: "np.ndarray",
        top_k: int,
        among: Sequence[str] | None = None,
    ) -> list[Match]:
        query_vector = "[" + ",".join(f"{number:.8g}" for number in vector) + "]"  # one vector: text is fine here
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT vector_id, namespace, 1 - (embedding <=> %(probe)s::halfvec) AS score FROM vectors "
                "WHERE model = %(model)s AND namespace = ANY(%(namespaces)s) "
                "AND (%(among)s::uuid[] IS NULL OR vector_id = ANY(%(among)s::uuid[])) "
                "ORDER BY embedding <=> %(probe)s::halfvec, vector_id LIMIT %(top_k)s",
                {
                    "probe": query_vector,
                    "model": model,
                    "namespaces": list(namespaces),
                    "top_k": top_k,
                    "among": None if among is None else list(among),
                },
            ).fetchall()
        return [Match(str(row["vector_id"]), row["namespace"], float(row["score"])) for row in rows]

    def models(self) -> list[str]:
        models: list[str] = []
        with self._database.transaction() as connection:
            while row := connection.execute(  # skips from model to model along the key, which begins with it
                "SELECT model FROM vectors WHERE model > %s ORDER BY model LIMIT 1", (models[-1] if models else "",)
            ).fetchone():
                models.append(row["model"])
        return models

    def namespaces(self) -> Iterator[str]:
        seen: set[str] = set()
        model, namespace = "", ""
        while True:  # skips from namespace to namespace along the primary key, without reading the vectors between
            with self._database.transaction() as connection:
                row = connection.execute(
                    "SELECT model, namespace FROM vectors WHERE (model, namespace) > (%s, %s) "
                    "ORDER BY model, namespace LIMIT 1",
                    (model, namespace),
                ).fetchone()
            if row is None:
                return
            model, namespace = row["model"], row["namespace"]
            if namespace not in seen:
                seen.add(namespace)
                yield namespace

    def drop_namespace(self, namespace: str) -> None:
        models = self.models()  # a namespace alone would read all vectors
        with self._database.transaction() as connection:
            for model in models:
                connection.execute("DELETE FROM vectors WHERE model = %s AND namespace = %s", (model, namespace))

    def close(self) -> None:
        """The pool belongs to the database."""
