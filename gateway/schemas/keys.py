"""JSON of API keys: never the digest, and the key itself only in the answer that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, Self

from pydantic import Field

from domain.access.api_keys import NewKey, Role
from gateway.schemas.base import Schema, Timestamp


class KeyView(Protocol):
    """What these schemas read of a key."""

    @property
    def key_id(self) -> str: ...
    @property
    def organization_id(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def roles(self) -> Sequence[Role]: ...
    @property
    def employee_id(self) -> str | None: ...
    @property
    def state(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def revoked_at(self) -> datetime | None: ...
    @property
    def replaced_by(self) -> str | None: ...
    @property
    def last_used_at(self) -> datetime | None: ...


class Key(Schema):
    """A key without its secret."""

    key_id: str
    organization_id: str
    label: str
    roles: list[Role]
    employee_id: str | None
    state: str = Field(description="active, replaced (still accepted), expired or revoked")
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    replaced_by: str | None
    last_used_at: Timestamp | None = Field(description="To within five minutes.")

    @classmethod
    def from_key(cls, key: KeyView) -> Self:
        return cls(
            key_id=key.key_id,
            organization_id=key.organization_id,
            label=key.label,
            roles=sorted(key.roles),
            employee_id=key.employee_id,
            state=key.state,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            replaced_by=key.replaced_by,
            last_used_at=key.last_used_at,
        )


class CreatedKey(Key):
    """A new key, with its secret."""

    key: str = Field(description="The secret that the app sends. It is shown this once.")

    @classmethod
    def from_new(cls, new: NewKey, key: KeyView) -> Self:
        return cls(**Key.from_key(key).model_dump(), key=new.text)


class Keys(Schema):
    """Keys of an organization."""

    keys: list[Key]
