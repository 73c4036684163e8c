"""Keys of organizations, kept as digests, and the sessions of people who signed in with one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from pipelines.access.keys import Caller, NewKey, Role, digest_of, is_same, key_id_of
from pipelines.failures import NotFound
from resources.database.connections import Database

KEY = """
SELECT k.key_id, k.organization_id, k.label, k.roles, k.employee_id, k.digest, k.created_at, k.revoked_at,
       k.last_used_at
  FROM keys k
"""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as the ledger knows it; the key itself is known to nobody but its holder."""

    key_id: str
    organization_id: str
    label: str
    roles: Sequence[Role]
    employee_id: str | None
    digest: bytes
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None

    @property
    def caller(self) -> Caller:
        return Caller(self.organization_id, frozenset(self.roles), self.key_id, self.employee_id)


class Keys:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self, new: NewKey, organization_id: str, label: str, roles: frozenset[Role], employee_id: str | None = None
    ) -> None:
        """Keep a new key's digest."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO keys (key_id, organization_id, label, roles, employee_id, digest) "
                "VALUES (%s, %s, %s, %s, %s, %s)",
                (new.key_id, organization_id, label, sorted(roles), employee_id, new.digest),
            )

    def caller(self, text: str) -> Caller | None:
        """Who shows this key; None where it is unknown or revoked."""
        key_id = key_id_of(text)
        if key_id is None:
            return None
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(Key)) as cursor:
            key = cursor.execute(KEY + "WHERE key_id = %s AND revoked_at IS NULL", (key_id,)).fetchone()
        return key.caller if key and is_same(text, key.digest) else None

    def revoke(self, key_id: str, organization_id: str | None = None) -> Key:
        """End a key and its sessions. Raises NotFound where there is no such key."""
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(Key)) as cursor:
            key = cursor.execute(
                KEY + "WHERE key_id = %s AND (%s::text IS NULL OR organization_id = %s) FOR UPDATE",
                (key_id, organization_id, organization_id),
            ).fetchone()
            if key is None:
                raise NotFound(f"There is no key {key_id}; `rowline keys list` names them")
            connection.execute("UPDATE keys SET revoked_at = coalesce(revoked_at, now()) WHERE key_id = %s", (key_id,))
            connection.execute("DELETE FROM sessions WHERE key_id = %s", (key_id,))
        return key

    def listed(self, organization_id: str | None = None) -> list[Key]:
        """All keys, revoked ones too, newest first."""
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(Key)) as cursor:
            return cursor.execute(
                KEY + "WHERE %s::text IS NULL OR organization_id = %s ORDER BY created_at DESC, key_id",
                (organization_id, organization_id),
            ).fetchall()

    # -- sessions ---------------------------------------------------------------------------------------------

    def open_session(self, token: str, key_id: str, lasts: timedelta) -> None:
        """A browser that showed a key; `token` is what its cookie holds, and only its digest is kept."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM sessions WHERE expires_at < now()")
            connection.execute(
                "INSERT INTO sessions (digest, key_id, expires_at) VALUES (%s, %s, now() + %s)",
                (digest_of(token), key_id, lasts),
            )

    def of_session(self, token: str) -> Caller | None:
        """Who signed in with this session; None where it has ended, or its key was revoked."""
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(Key)) as cursor:
            key = cursor.execute(
                KEY + "JOIN sessions s USING (key_id) WHERE s.digest = %s AND s.expires_at > now() "
                "AND k.revoked_at IS NULL",
                (digest_of(token),),
            ).fetchone()
        return key.caller if key else None

    def close_session(self, token: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM sessions WHERE digest = %s", (digest_of(token),))
