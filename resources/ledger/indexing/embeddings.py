"""Embeddings: paid work, stored batch by batch before anything else can fail."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import scalar_row

from domain.documents.batching import shares
from domain.documents.embedding_jobs import named_input
from domain.documents.row_errors import RowError
from resources.database.binary_copy import copy_body, float_bytes, matrix_of
from resources.database.connections import Connection, Database
from resources.database.copy import copy_or_merge
from resources.embedders.protocol import EmbeddingResult, JobResult, stack_vectors
from resources.ledger.documents.versions import Version

if TYPE_CHECKING:
    import numpy as np

COUNTED = """
count(*) FILTER (WHERE outcome IN ('kept', 'unchanged')) AS processed,
       count(*) FILTER (WHERE outcome = 'kept') AS created,
       coalesce(jsonb_agg(jsonb_build_object('sheet', sheet, 'rowNumber', row_number, 'message', error)
                          ORDER BY row_position) FILTER (WHERE outcome = 'error'), '[]') AS errors
"""

# Returns the counts of each batch.
COUNTS = f"""
SELECT batch_number, {COUNTED}
  FROM lineage
 WHERE document_id = %(document)s AND version = %(version)s AND batch_number = ANY(%(batches)s) GROUP BY batch_number
"""  # noqa: S608 - a constant of this module

# Completes batches with their counts, and adds what they paid for.
FINISH = f"""
UPDATE batches b
   SET status = 'completed', completed_at = now(), processed_rows = s.processed, vectors_created = s.created,
       errors = s.errors, embedded_inputs = b.embedded_inputs + paid.inputs, tokens = b.tokens + paid.tokens
  FROM ({COUNTS}) s
  JOIN unnest(%(batches)s::int[], %(inputs)s::int[], %(tokens)s::bigint[]) AS paid (batch_number, inputs, tokens)
 USING (batch_number)
 WHERE b.document_id = %(document)s AND b.version = %(version)s AND b.batch_number = s.batch_number
"""  # noqa: S608 - constants of this module

# Adds what batches paid for.
PAID = """
UPDATE batches b
   SET embedded_inputs = b.embedded_inputs + paid.inputs, tokens = b.tokens + paid.tokens,
       economy_tokens = b.economy_tokens + CASE WHEN %(economy)s THEN paid.tokens ELSE 0 END
  FROM unnest(%(batches)s::int[], %(inputs)s::int[], %(tokens)s::bigint[]) AS paid (batch_number, inputs, tokens)
 WHERE b.document_id = %(document)s AND b.version = %(version)s AND b.batch_number = paid.batch_number
"""

# Returns the results of a job that are not stored yet, each text once. `nth` counts from 1; the batch is unknown if the
# plan was replaced.
NEW = """
SELECT DISTINCT ON (o.text_hash) o.nth, o.text_hash, l.batch_number
  FROM unnest(%(positions)s::int[], %(hashes)s::bytea[]) WITH ORDINALITY AS o (row_position, text_hash, nth)
  LEFT JOIN lineage l ON l.document_id = %(document)s AND l.version = %(version)s
                     AND l.row_position = o.row_position AND l.text_hash = o.text_hash
 WHERE NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.organization_id = %(organization)s AND e.model = %(model)s
                                                AND e.text_hash = o.text_hash OFFSET 0)
 ORDER BY o.text_hash
"""

# Writes the counts of completed batches anew.
RECOUNT = f"""
UPDATE batches b SET processed_rows = s.processed, vectors_created = s.created, errors = s.errors
  FROM ({COUNTS}) s
 WHERE b.document_id = %(document)s AND b.version = %(version)s AND b.batch_number = s.batch_number
"""  # noqa: S608

# Returns the embedding of each text of a version, or NULL. LIMIT 1 keeps the look-up by key, as OFFSET 0 does within
# EXISTS: just after a bulk load the planner knows no sizes and would scan every vector.
PROMISED = """
SELECT e.embedding
  FROM (SELECT DISTINCT text_hash FROM lineage
         WHERE document_id = %(document)s AND version = %(version)s AND outcome <> 'error') l
  LEFT JOIN LATERAL (
       SELECT embedding FROM embeddings
        WHERE organization_id = %(organization)s AND model = %(model)s AND text_hash = l.text_hash LIMIT 1) e ON true
"""
PAGE = 1000  # embeddings that are checked together

# Returns vectors of a version with their rows. OFFSET 0 and LIMIT 1 fence the look-ups by key: just after a bulk load
# the planner takes a version for two rows and would read all of it for each vector.
VECTORS = """
SELECT l.vector_id, l.sheet, l.row_number, l.employee_id, l.content_hash, l.source_row, e.embedding
  FROM (SELECT DISTINCT ON (l.vector_id) l.*
          FROM unnest(%(ids)s::uuid[]) AS wanted (vector_id)
         CROSS JOIN LATERAL (
               SELECT vector_id, document_id, version, sheet, row_number, row_position, employee_id, content_hash,
                      text_hash, CASE WHEN %(with_source)s THEN source_row ELSE '{}'::json END AS source_row
                 FROM lineage WHERE vector_id = wanted.vector_id OFFSET 0) l
         WHERE l.document_id = %(document)s AND l.version = %(version)s
         ORDER BY l.vector_id, l.row_position) l
 CROSS JOIN LATERAL (
       SELECT embedding FROM embeddings
        WHERE organization_id = %(organization)s AND model = %(model)s AND text_hash = l.text_hash LIMIT 1) e
"""


@dataclass(frozen=True, slots=True)
class Group:
    """Some batches of a version and their texts that have no embedding yet, each text once."""

    batch_numbers: list[int]
    texts: list[str]
    text_hashes: list[bytes]
    text_batches: list[int]


@dataclass(frozen=True, slots=True)
class KeptVector:
    """A vector's row in its document; the numbers are in the matrix returned with it."""

    vector_id: str
    sheet: str
    row_number: int
    employee_id: str | None
    content_hash: str
    source_row: Mapping[str, Any]


class Embeddings:
    def __init__(self, database: Database) -> None:
        self._database = database

    def group(self, version: Version, batch_numbers: list[int]) -> Group:
        """The texts that these batches still have to embed; what another document paid for meanwhile is left out."""
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT l.content, l.text_hash, l.batch_number FROM lineage l WHERE l.document_id = %(document)s "
                "AND l.version = %(version)s AND l.batch_number = ANY(%(batches)s) AND l.needs_embedding "
                "AND l.outcome <> 'error' AND NOT EXISTS (SELECT 1 FROM embeddings e "
                "WHERE e.organization_id = l.organization_id AND e.model = %(model)s AND e.text_hash = l.text_hash "
                "OFFSET 0) ORDER BY l.row_position",
                {
                    "document": version.document_id,
                    "version": version.version,
                    "batches": batch_numbers,
                    "model": version.model,
                },
            ).fetchall()
        return Group(
            batch_numbers,
            [row["content"] for row in rows],
            [row["text_hash"] for row in rows],
            [row["batch_number"] for row in rows],
        )

    def save_response(
        self, version: Version, group: Group, answer: EmbeddingResult, run_id: str, last: bool = True
    ) -> None:
        """Store a response's embeddings of a group, and finish its batches with the `last` one: in one transaction.

        So paid work is never lost, and never counted without being stored. Rejected texts become row errors.
        """
        kept = [(row, position) for row, position in enumerate(answer.positions) if position not in answer.refused]
        texts_of = Counter(group.text_batches[position] for position in answer.positions)
        inputs = [texts_of[number] for number in group.batch_numbers]
        with self._database.transaction() as connection:
            if kept:
                _insert(
                    connection,
                    version,
                    [group.text_hashes[position] for _, position in kept],
                    answer.vectors[[row for row, _ in kept]] if answer.refused else answer.vectors,
                    run_id,
                )
            for position, reason in answer.refused.items():
                refused = RowError("embedding_refused", {"reason": reason})
                connection.execute(
                    "UPDATE lineage SET outcome = 'error', error = %s, error_code = %s, vector_id = NULL, "
                    "needs_embedding = false "
                    "WHERE document_id = %s AND version = %s AND text_hash = %s AND outcome <> 'error'",
                    (
                        refused.message,
                        refused.code,
                        version.document_id,
                        version.version,
                        group.text_hashes[position],
                    ),
                )
            connection.execute(
                FINISH if last else PAID,
                {
                    "document": version.document_id,
                    "version": version.version,
                    "batches": group.batch_numbers,
                    "inputs": inputs,
                    "tokens": shares(answer.tokens or 0, inputs),
                    "economy": False,
                },
            )

    def save_job_results(self, version: Version, inputs: Sequence[JobResult], run_id: str) -> None:
        """Store a job's results for the version: vectors, and tokens at the lower price, in one transaction.

        Repeating it has no effect: what is stored already is neither stored nor counted again.
        """
        params = {
            "document": version.document_id,
            "version": version.version,
            "organization": version.organization_id,
            "model": version.model,
        }
        names = [named_input(done.name) for done in inputs]
        with self._database.transaction() as connection:
            new = connection.execute(
                NEW, params | {"positions": [name[0] for name in names], "hashes": [name[1] for name in names]}
            ).fetchall()
            if not new:
                return
            chosen = [inputs[row["nth"] - 1] for row in new]
            vectors = stack_vectors([done.vector for done in chosen])
            _insert(connection, version, [row["text_hash"] for row in new], vectors, run_id)
            counted = [(row["batch_number"], done.tokens) for row, done in zip(new, chosen, strict=True)]
            of_batch = {number: [tokens for n, tokens in counted if n == number] for number, _ in counted if number}
            connection.execute(
                PAID,
                params
                | {
                    "batches": list(of_batch),
                    "inputs": [len(tokens) for tokens in of_batch.values()],
                    "tokens": [sum(tokens) for tokens in of_batch.values()],
                    "economy": True,
                },
            )

    def finish(self, version: Version, batch_numbers: list[int]) -> None:
        """Finish batches that have nothing left to embed."""
        nothing = [0] * len(batch_numbers)
        with self._database.transaction() as connection:
            connection.execute(
                FINISH,
                {
                    "document": version.document_id,
                    "version": version.version,
                    "batches": batch_numbers,
                    "inputs": nothing,
                    "tokens": nothing,
                },
            )

    def recount(self, version: Version) -> None:
        """Count anew the batches that ended before one of their texts was rejected in another batch.

        So the counts of the batches add up to the rows of the file."""
        params = {"document": version.document_id, "version": version.version}
        with self._database.statement() as connection:
            counts = connection.execute(
                "SELECT DISTINCT batch_number FROM lineage WHERE document_id = %(document)s AND version = %(version)s "
                "AND error_code = %(refused)s",
                params | {"refused": "embedding_refused"},
            ).fetchall()
        if counts:
            with self._database.transaction() as connection:
                connection.execute(RECOUNT, params | {"batches": [row["batch_number"] for row in counts]})

    def vectors(
        self, version: Version, vector_ids: Sequence[str], with_source: bool
    ) -> tuple[list[KeptVector], "np.ndarray"]:
        """Stored embeddings of the version's vectors: their rows, and a float32 matrix of shape (n, dimension).

        Without `with_source` the cells of the row are left out: they are most of what would be read.
        """
        with self._database.statement() as connection, connection.cursor(binary=True) as cursor:
            rows = cursor.execute(
                VECTORS,
                {
                    "document": version.document_id,
                    "version": version.version,
                    "model": version.model,
                    "organization": version.organization_id,
                    "ids": list(vector_ids),
                    "with_source": with_source,
                },
            ).fetchall()
        return [
            KeptVector(
                str(row["vector_id"]),
                row["sheet"],
                row["row_number"],
                row["employee_id"],
                row["content_hash"].hex(),
                row["source_row"],
            )
            for row in rows
        ], matrix_of([row["embedding"] for row in rows], version.dimension)

    def count_invalid(self, version: Version) -> dict[str, int]:
        """How many of the version's embeddings are missing, of another dimension, or not finite (or zero)."""
        import numpy as np

        params = {
            "document": version.document_id,
            "version": version.version,
            "organization": version.organization_id,
            "model": version.model,
        }
        counts = {"missing": 0, "wrong_dimension": 0, "not_finite": 0}
        with (
            self._database.reading() as connection,
            connection.cursor(name="promised", binary=True, row_factory=scalar_row) as cursor,
        ):
            cursor.execute(PROMISED, params)
            while page := cursor.fetchmany(PAGE):
                present = [value for value in page if value is not None]
                right = [value for value in present if len(value) == 4 * version.dimension]
                matrix = matrix_of(right, version.dimension)
                with np.errstate(over="ignore", invalid="ignore"):  # counted below, not by a warning
                    squares = np.einsum("ij,ij->i", matrix, matrix)
                counts["missing"] += len(page) - len(present)
                counts["wrong_dimension"] += len(present) - len(right)
                counts["not_finite"] += int((~(np.isfinite(squares) & (squares > 0))).sum())
        return counts


def _insert(
    connection: Connection, version: Version, hashes: Sequence[bytes], vectors: "np.ndarray", run_id: str
) -> None:
    # in one order for everybody: two documents that store the same texts at once must not deadlock
    order = sorted(range(len(hashes)), key=hashes.__getitem__)
    owner, model, run = version.organization_id.encode(), version.model.encode(), run_id.encode()
    body = copy_body(
        (owner, model, hashes[i], vector, run) for i, vector in zip(order, float_bytes(vectors[order]), strict=True)
    )
    columns = ("organization_id", "model", "text_hash", "embedding", "run_id")
    # another document's run may just have stored one of the texts
    copy_or_merge(connection, "embeddings", columns, body, "DO NOTHING")
