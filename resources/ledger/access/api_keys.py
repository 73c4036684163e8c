"""Keys of organizations, stored as digests, and the sessions of people who signed in with one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from domain.access.api_keys import Caller, NewKey, Role, digest_of, is_same, key_id_of
from domain.errors import Conflict, NotFound
from resources.database.connections import Connection, Database

GRACE = timedelta(days=1)  # of an old key beside its successor
USE_IS_NOTED_EVERY = timedelta(minutes=5)  # a key in use costs one write in this time, not one a request

KEY = """
SELECT k.key_id, k.organization_id, k.label, k.roles, k.employee_id, k.digest, k.created_at, k.expires_at,
       k.revoked_at, k.replaced_by, k.last_used_at,
       CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= now() THEN 'expired'
            WHEN k.replaced_by IS NOT NULL THEN 'replaced' ELSE 'active' END AS state,
       coalesce(k.last_used_at < now() - %(noted_every)s, true) AS use_is_news
  FROM keys k
"""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored: its digest. Only its holder has the key itself.

    `state`: active, replaced (by a newer key, and still good), expired or revoked.
    """

    key_id: str
    organization_id: str
    label: str
    roles: Sequence[Role]
    employee_id: str | None
    digest: bytes
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    replaced_by: str | None
    last_used_at: datetime | None
    state: str
    use_is_news: bool

    @property
    def caller(self) -> Caller:
        return Caller(self.organization_id, frozenset(self.roles), self.key_id, self.employee_id)

    @property
    def is_active(self) -> bool:
        return self.state in ("active", "replaced")


class ApiKeys:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self,
        new: NewKey,
        organization_id: str,
        label: str,
        roles: frozenset[Role],
        employee_id: str | None = None,
        lasts: timedelta | None = None,
    ) -> Key:
        """Store a new key's digest. Raises NotFound if the employee is not in the organization's list."""
        with self._database.transaction() as connection:
            if employee_id is not None:
                _check_employee(connection, organization_id, employee_id)
            return _put(connection, new, (organization_id, label, roles, employee_id), lasts)

    def find(self, text: str) -> Key | None:
        """The key of this text, in whatever state; None if it is unknown. Its use is recorded now and then."""
        key_id = key_id_of(text)
        if key_id is None:
            return None
        with self._database.statement() as connection:
            key = _find(connection, "WHERE key_id = %(key)s", key=key_id)
        if key is None or not is_same(text, key.digest):
            return None
        if key.use_is_news and key.is_active:
            with self._database.transaction() as connection:
                connection.execute("UPDATE keys SET last_used_at = now() WHERE key_id = %s", (key_id,))
        return key

    def caller(self, text: str) -> Caller | None:
        """Who has this key; None if it is unknown, revoked or expired."""
        key = self.find(text)
        return key.caller if key and key.is_active else None

    def rotate(self, key_id: str, new: NewKey, grace: timedelta, organization_id: str | None = None) -> Key:
        """A new key with the rights of an old one, which works on for the grace period; without one it ends at once.

        The new key has the lifetime of the old one. Raises NotFound, and Conflict if the old one has ended already.
        """
        with self._database.transaction() as connection:
            old = _lock(connection, key_id, organization_id)
            if not old.is_active or old.replaced_by:
                raise Conflict(f"Key {key_id} is {old.state}; only an active key is rotated. Make a new one")
            lasts = old.expires_at - old.created_at if old.expires_at else None
            rights = (old.organization_id, old.label, frozenset(old.roles), old.employee_id)
            key = _put(connection, new, rights, lasts)
            connection.execute(
                "UPDATE keys SET replaced_by = %s, expires_at = least(expires_at, now() + %s) WHERE key_id = %s",
                (new.key_id, grace, key_id),
            )
            if not grace:
                _revoke(connection, key_id)
        return key

    def any_exist(self) -> bool:
        """Whether any key was ever made."""
        with self._database.transaction() as connection:
            return connection.execute("SELECT 1 AS one FROM keys LIMIT 1").fetchone() is not None

    def revoke(self, key_id: str, organization_id: str | None = None) -> Key:
        """End a key and its sessions. Raises NotFound if there is no such key."""
        with self._database.transaction() as connection:
            _lock(connection, key_id, organization_id)
            _revoke(connection, key_id)
            return _lock(connection, key_id, organization_id)

    def list_all(self, organization_id: str | None = None) -> list[Key]:
        """All keys, those that have ended too, newest first."""
        with self._database.transaction() as connection:
            return _all(
                connection,
                "WHERE %(organization)s::text IS NULL OR organization_id = %(organization)s "
                "ORDER BY created_at DESC, key_id",
                organization=organization_id,
            )

    def is_known(self, organization_id: str) -> bool:
        """Whether the organization has anything here: keys, templates, employees or documents."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT EXISTS (SELECT FROM keys WHERE organization_id = %(of)s)"
                " OR EXISTS (SELECT FROM templates WHERE organization_id = %(of)s)"
                " OR EXISTS (SELECT FROM employees WHERE organization_id = %(of)s)"
                " OR EXISTS (SELECT FROM documents WHERE organization_id = %(of)s) AS known",
                {"of": organization_id},
            ).fetchone()
        assert row is not None
        return bool(row["known"])

    # -- sessions ---------------------------------------------------------------------------------------------

    def open_session(self, token: str, key_id: str, lasts: timedelta) -> None:
        """A browser that showed a key; `token` is what its cookie holds, and only its digest is stored."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM sessions WHERE expires_at < now()")
            connection.execute(
                "INSERT INTO sessions (digest, key_id, expires_at) VALUES (%s, %s, now() + %s)",
                (digest_of(token), key_id, lasts),
            )

    def of_session(self, token: str) -> Caller | None:
        """Who signed in with this session; None if it has ended, or its key has."""
        with self._database.transaction() as connection:
            key = _find(
                connection,
                "JOIN sessions s USING (key_id) WHERE s.digest = %(digest)s AND s.expires_at > now()",
                digest=digest_of(token),
            )
        return key.caller if key and key.is_active else None

    def close_session(self, token: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM sessions WHERE digest = %s", (digest_of(token),))

    # -- signatures -------------------------------------------------------------------------------------------

    def consume_signature(self, signature: bytes, lasts: int) -> bool:
        """Whether this is the first use of a signature; it is stored for as long as it could be used again."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM signature_nonces WHERE expires_at < now()")
            first = connection.execute(
                "INSERT INTO signature_nonces (digest, expires_at) VALUES (%s, now() + make_interval(secs => %s)) "
                "ON CONFLICT DO NOTHING",
                (signature, lasts),
            )
            return first.rowcount == 1


def _all(connection: Connection, where: str, **values: object) -> list[Key]:
    with connection.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(KEY + where, {"noted_every": USE_IS_NOTED_EVERY, **values}).fetchall()


def _find(connection: Connection, where: str, **values: object) -> Key | None:
    return next(iter(_all(connection, where, **values)), None)


def _lock(connection: Connection, key_id: str, organization_id: str | None) -> Key:
    where = (
        "WHERE key_id = %(key)s AND (%(organization)s::text IS NULL OR organization_id = %(organization)s) FOR UPDATE"
    )
    key = _find(connection, where, key=key_id, organization=organization_id)
    if key is None:
        raise NotFound(f"There is no key {key_id}; `rowline keys list` names them")
    return key


def _put(
    connection: Connection,
    new: NewKey,
    rights: tuple[str, str, frozenset[Role], str | None],
    lasts: timedelta | None,
) -> Key:
    organization_id, label, roles, employee_id = rights
    connection.execute(
        "INSERT INTO keys (key_id, organization_id, label, roles, employee_id, digest, expires_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, now() + %s::interval)",
        (new.key_id, organization_id, label, sorted(roles), employee_id, new.digest, lasts),
    )
    return _lock(connection, new.key_id, organization_id)


def _revoke(connection: Connection, key_id: str) -> None:
    connection.execute("UPDATE keys SET revoked_at = coalesce(revoked_at, now()) WHERE key_id = %s", (key_id,))
    connection.execute("DELETE FROM sessions WHERE key_id = %s", (key_id,))


def _check_employee(connection: Connection, organization_id: str, employee_id: str) -> None:
    row = connection.execute(
        "SELECT 1 FROM employees WHERE organization_id = %s AND employee_number = %s", (organization_id, employee_id)
    ).fetchone()
    if row is None:
        raise NotFound(
            f"Employee {employee_id} is not in the list of {organization_id}; `rowline employees put` adds people"
        )
