"""Advisory locks of the ledger: every kind of them, whom each excludes, and the only statements that take them.

All belong to a transaction, never to a session: they end with it, and PgBouncer may stand in between.
"""

import json
from collections.abc import Sequence
from enum import Enum
from typing import Any

import psycopg

MIGRATION_KEY = 0x526F776C696E65  # "Rowline"


class LockKind(Enum):
    """What a lock is for: (its number, whom it excludes). A lock is a kind and a name.

    The numbers are the ones that processes of an older release take beside ours; none may change or be given anew.
    """

    DOCUMENT_WORK = 1, "name: a document. One run works on it at a time; held without waiting, it is a heartbeat"
    COLLECTION = 2, "name: an organization. Who deletes unreferenced vectors excludes who comes to rely on them"
    UPLOAD_KEY = 3, "name: an upload key. Of two deliveries of one file the second waits, and finds the first"
    EMBEDDINGS = 4, "name: an organization. Plans share it; who deletes embeddings that nobody needs excludes plans"
    FILE_NAME = 5, "name: `file_name_key`. Of two files of a new name the second waits, and finds the document"
    LIVE_VERSIONS = 6, "name: an organization. Flips share it; a search that no flip may disturb excludes them"
    EXTERNAL_ID = 6, "name: `external_id_key`. Of two files of a new id the second waits, and finds the document"
    SENDER = 8, "name: a sender. Held while it lives; if somebody else can take it, the sender is dead"
    ALERTS = 9, "no name. One process at a time decides on the alerts of the deployment"

    @property
    def number(self) -> int:
        return int(self.value[0])


def lock(connection: psycopg.Connection[Any], kind: LockKind, name: str) -> None:
    """Wait for the lock and hold it to the end of the transaction."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", (name, kind.number))


def lock_shared(connection: psycopg.Connection[Any], kind: LockKind, name: str) -> None:
    """As `lock`, beside others that share it; it waits for, and keeps out, who holds it by `lock`."""
    connection.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, %s))", (name, kind.number))


def try_locks(connection: psycopg.Connection[Any], kind: LockKind, names: Sequence[str]) -> set[str]:
    """Hold those of the locks that are free to the end of the transaction, and wait for none; returns their names."""
    rows = connection.execute(
        "SELECT name FROM unnest(%s::text[]) AS name WHERE pg_try_advisory_xact_lock(hashtextextended(name, %s))",
        (list(names), kind.number),
    ).fetchall()
    return {row["name"] for row in rows}


def try_lock_shared(connection: psycopg.Connection[Any], kind: LockKind, name: str) -> bool:
    """Hold the lock, shared, to the end of the transaction if nobody holds it by `lock`; returns whether."""
    row = connection.execute(
        "SELECT pg_try_advisory_xact_lock_shared(hashtextextended(%s, %s)) AS free", (name, kind.number)
    ).fetchone()
    return bool(row and row["free"])


def lock_alerts(connection: psycopg.Connection[Any]) -> None:
    """The lock of the kind ALERTS: two 32-bit numbers, which PostgreSQL keeps apart from the hashes of all others."""
    connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (LockKind.ALERTS.number,))


def lock_migrations(connection: psycopg.Connection[Any]) -> None:
    """One process at a time changes the schema of a database."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_KEY,))


def file_name_key(organization_id: str, filename: str, template: str) -> str:
    """A name for FILE_NAME, spelt as PostgreSQL spells the jsonb: older releases have it made there."""
    return json.dumps([organization_id, filename, template], ensure_ascii=False)


def external_id_key(organization_id: str, external_id: str) -> str:
    """A name for EXTERNAL_ID. No organization's id has a line break, so it is none of LIVE_VERSIONS."""
    return f"{organization_id}\n{external_id}"
