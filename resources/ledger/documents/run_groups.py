"""Groups: many documents of one run, each of which is claimed, started and ended for itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from resources.database.connections import Database
from resources.database.listen import NotifyChannel, notify
from resources.database.locks import LockKind
from resources.ledger.documents.documents import VERSION
from resources.ledger.documents.versions import Version, version_row

PlannedRuns = Sequence[tuple[str, int, int]]  # (document, version, attempt)

OF_GROUP = "SELECT * FROM unnest(%(documents)s::text[], %(versions)s::int[], %(attempts)s::int[]) AS g (d, v, a)"

# Of a group: the versions that the run started and did not end, and those that it never started.
UNFINISHED = f"""
  FROM ({OF_GROUP}) g
 WHERE document_id = g.d AND ((run_id = %(run)s AND status IN ('pending', 'processing') AND waiting_reason IS NULL)
                              OR (version = g.v AND attempt = g.a AND run_id IS NULL AND status = 'pending'))
"""

STILL_WAITING = f"""
SELECT g.d AS document_id
  FROM ({OF_GROUP}) g JOIN versions w ON w.document_id = g.d AND w.version = g.v AND w.attempt = g.a
 WHERE w.status = 'pending' AND w.run_id IS NULL
"""  # noqa: S608 - a constant of our own


class RunGroups:
    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def claimed(self, documents: Sequence[str]) -> Iterator[set[str]]:
        """Those of the documents that nobody works on now, claimed together; on one connection."""
        with self._database.try_locks(LockKind.DOCUMENT_WORK, documents) as claimed:
            yield claimed

    def still_waiting(self, runs: PlannedRuns) -> set[str]:
        """Documents whose planned version still waits for its run: the others were overtaken, processed or removed."""
        with self._database.statement() as connection:
            rows = connection.execute(STILL_WAITING, _columns(runs)).fetchall()
        return {row["document_id"] for row in rows}

    def bound(self, documents: Sequence[str], run_id: str) -> dict[str, Version]:
        """Document → the version that the run started with, whatever its state is by now."""
        with self._database.statement() as connection, connection.cursor(row_factory=version_row) as cursor:
            versions = cursor.execute(
                VERSION + "WHERE v.run_id = %s AND v.document_id = ANY(%s)", (run_id, list(documents))
            ).fetchall()
        return {version.document_id: version for version in versions}

    def requeue(self, runs: PlannedRuns, run_id: str) -> int:
        """Put versions that the run has not ended back into the queue, each for a run of its own; returns how many."""
        with self._database.transaction() as connection:
            count = connection.execute(
                "UPDATE versions SET status = 'pending', error = NULL, requested_at = NULL, run_id = NULL, "  # noqa: S608
                f"attempt = attempt + 1 {UNFINISHED}",
                _columns(runs) | {"run": run_id},
            ).rowcount
            if count:
                notify(connection, NotifyChannel.UPLOADS)
        return count

    def fail(self, runs: PlannedRuns, run_id: str, reason: str) -> int:
        """Fail the versions that the run has not ended, with this reason; returns how many."""
        with self._database.transaction() as connection:
            params = _columns(runs) | {"run": run_id, "reason": reason}
            rows = connection.execute(
                "UPDATE versions SET status = 'failed', error = %(reason)s, completed_at = now() "  # noqa: S608
                f"{UNFINISHED} RETURNING document_id, version",
                params,
            ).fetchall()
            for row in rows:
                connection.execute(
                    "UPDATE batches SET status = 'failed', completed_at = now() "
                    "WHERE document_id = %s AND version = %s AND status = 'processing'",
                    (row["document_id"], row["version"]),
                )
        return len(rows)


def _columns(runs: PlannedRuns) -> dict[str, object]:
    documents, versions, attempts = zip(*runs, strict=True) if runs else ((), (), ())
    return {"documents": list(documents), "versions": list(versions), "attempts": list(attempts)}
