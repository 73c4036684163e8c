"""Groups: many documents of one run, each of which is claimed, begun and ended for itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from resources.database.connections import Database
from resources.database.listen import NotifyChannel, notify
from resources.database.locks import LockKind
from resources.ledger.documents.documents import VERSION
from resources.ledger.documents.versions import Version, version_row

Wanted = Sequence[tuple[str, int, int]]  # (document, version, attempt)

OF_GROUP = "SELECT * FROM unnest(%(documents)s::text[], %(versions)s::int[], %(attempts)s::int[]) AS g (d, v, a)"

# Those that the run began and did not end, and those that it never came to.
UNFINISHED = f"""
  FROM ({OF_GROUP}) g
 WHERE document_id = g.d AND ((run_id = %(run)s AND status IN ('pending', 'processing') AND waits_for IS NULL)
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

    def still_waiting(self, wanted: Wanted) -> set[str]:
        """Documents whose wanted version still waits for its run: the others were overtaken, done or taken away."""
        with self._database.statement() as connection:
            rows = connection.execute(STILL_WAITING, _columns(wanted)).fetchall()
        return {row["document_id"] for row in rows}

    def bound(self, documents: Sequence[str], run_id: str) -> dict[str, Version]:
        """By document, the version that the run began with, in whatever state it is by now."""
        with self._database.statement() as connection, connection.cursor(row_factory=version_row) as cursor:
            found = cursor.execute(
                VERSION + "WHERE v.run_id = %s AND v.document_id = ANY(%s)", (run_id, list(documents))
            ).fetchall()
        return {version.document_id: version for version in found}

    def requeue(self, wanted: Wanted, run_id: str) -> int:
        """Have those that the run has not ended tried again, each by a run of its own; returns how many."""
        with self._database.transaction() as connection:
            put = connection.execute(
                "UPDATE versions SET status = 'pending', error = NULL, requested_at = NULL, run_id = NULL, "  # noqa: S608
                f"attempt = attempt + 1 {UNFINISHED}",
                _columns(wanted) | {"run": run_id},
            ).rowcount
            if put:
                notify(connection, NotifyChannel.UPLOADS)
        return put

    def fail(self, wanted: Wanted, run_id: str, reason: str) -> int:
        """Write why those failed that the run has not ended; returns how many."""
        with self._database.transaction() as connection:
            at = _columns(wanted) | {"run": run_id, "reason": reason}
            failed = connection.execute(
                "UPDATE versions SET status = 'failed', error = %(reason)s, completed_at = now() "  # noqa: S608
                f"{UNFINISHED} RETURNING document_id, version",
                at,
            ).fetchall()
            for row in failed:
                connection.execute(
                    "UPDATE batches SET status = 'failed', completed_at = now() "
                    "WHERE document_id = %s AND version = %s AND status = 'processing'",
                    (row["document_id"], row["version"]),
                )
        return len(failed)


def _columns(wanted: Wanted) -> dict[str, object]:
    documents, versions, attempts = zip(*wanted, strict=True) if wanted else ((), (), ())
    return {"documents": list(documents), "versions": list(versions), "attempts": list(attempts)}
