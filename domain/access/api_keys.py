"""Keys: minted with enough randomness that a plain digest keeps them, shown once, never stored."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, cast, get_args

from domain.errors import InvalidRequest

Role = Literal["events", "upload", "search", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
Environment = Literal["development", "preview", "production"]
ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
PREFIX = "rl"
_KEY = re.compile(rf"rl_({'|'.join(ENVIRONMENTS)})_([a-z2-7]{{16}})_([A-Za-z0-9]{{43}})")
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_LETTERS = string.ascii_letters + string.digits  # URL-safe: a key may stand in a path


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an organization through one of its keys, and what that key may do.

    `employee_id` narrows a search key to what one employee may see.
    """

    organization_id: str
    roles: frozenset[Role]
    key_id: str | None = None
    employee_id: str | None = None

    def may(self, role: Role) -> bool:
        """Whether the key has the role; an admin has all of them, unless the key is one employee's."""
        return role in self.roles or ("admin" in self.roles and self.employee_id is None)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is shown, once: `text` is what the app is given, `digest` what the ledger keeps."""

    key_id: str
    text: str
    digest: bytes


def mint_key(environment: Environment = "development", choose: Callable[[str], str] = secrets.choice) -> NewKey:
    """A new key: the environment it is for, an id to find it by, and 256 bits that nobody can guess."""
    key_id = "".join(choose(_ID_LETTERS) for _ in range(16))
    text = f"{PREFIX}_{environment}_{key_id}_{''.join(choose(_LETTERS) for _ in range(43))}"
    return NewKey(key_id, text, digest_of(text))


def mint_token(choose: Callable[[str], str] = secrets.choice) -> str:
    """What a browser's cookie holds: 256 bits that say nothing."""
    return "".join(choose(_LETTERS) for _ in range(43))


def key_id_of(text: str) -> str | None:
    """The id of what looks like one of our keys; None for anything else."""
    match = _KEY.fullmatch(text)
    return match[2] if match else None


def environment_of(text: str) -> Environment | None:
    """Where a key may be used: one that got into a copy of the database elsewhere opens nothing there."""
    match = _KEY.fullmatch(text)
    return cast(Environment, match[1]) if match else None


def digest_of(text: str) -> bytes:
    """SHA-256 of a key. It needs no salt and no slowness: a key is random, not a person's password."""
    return hashlib.sha256(text.encode()).digest()


def is_same(text: str, digest: bytes) -> bool:
    """Whether it is the key of the digest, in a time that tells nothing."""
    return hmac.compare_digest(digest_of(text), digest)


def checked_roles(names: Iterable[str]) -> frozenset[Role]:
    """Raises InvalidRequest for a role that does not exist, or for none at all."""
    roles = set(names)
    for name in sorted(roles - set(ROLES)):
        raise InvalidRequest(f"Role {name} does not exist; choose of {', '.join(ROLES)}")
    if not roles:
        raise InvalidRequest(f"A key needs a role; choose of {', '.join(ROLES)}")
    return frozenset(cast(set[Role], roles))


def checked_rights(names: Iterable[str], employee_id: str | None) -> frozenset[Role]:
    """Roles that a key may have; one employee's key searches and does nothing else. Raises InvalidRequest."""
    roles = checked_roles(names)
    if employee_id is not None and roles != {"search"}:
        raise InvalidRequest(
            f"A key of employee {employee_id} may have the role search only; make another key for the rest"
        )
    return roles
