"""Keys of one's own organization, for its admins: the same as `rowline keys`."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from domain.access.api_keys import NewKey, Role, checked_rights, mint_key
from gateway.http.auth.callers import Admin, OurServices
from gateway.http.auth.document_access import NO_NUL
from gateway.http.problems import told_as
from resources.ledger.access.api_keys import GRACE, Key

router = APIRouter(prefix="/keys", tags=["keys"])
KeyId = Annotated[
    str,
    Path(
        alias="keyId", description="The key's id, as `GET /keys` names it.", min_length=1, max_length=64, pattern=NO_NUL
    ),
]
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f]*$")]


class Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class WantedKey(Body):
    """What a new key is to be."""

    roles: list[Role] = Field(min_length=1, max_length=4)
    label: Text = ""
    employee_id: Text | None = Field(None, description="Search only what this employee may see; role search only.")
    expires_days: int | None = Field(None, ge=1, le=3650, description="Days after which the key ends.")


class Rotation(Body):
    grace_hours: float = Field(
        GRACE / timedelta(hours=1), ge=0, le=24 * 90, description="How long the old key goes on."
    )


class KnownKey(Body):
    """A key; never what its holder shows."""

    key_id: str
    organization_id: str
    label: str
    roles: list[Role]
    employee_id: str | None
    state: str = Field(description="active, replaced (and still good), expired or revoked")
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    replaced_by: str | None
    last_used_at: str | None = Field(description="To within five minutes.")


class ShownKey(KnownKey):
    key: str = Field(description="What the app is given. It is shown this once.")


class KnownKeys(Body):
    keys: list[KnownKey]


@router.get("", response_model=KnownKeys, summary="Keys of the organization")
def list_keys(caller: Admin, services: OurServices) -> dict[str, Any]:
    return {"keys": [key.as_json() for key in services.ledger.api_keys.list_all(caller.organization_id)]}


@router.post(
    "",
    response_model=ShownKey,
    status_code=201,
    operation_id="createKey",
    summary="Make a key",
    responses=told_as(400, 404),
)
def create_key(wanted: WantedKey, caller: Admin, services: OurServices) -> dict[str, Any]:
    roles = checked_rights(wanted.roles, wanted.employee_id)
    new = mint_key(services.settings.environment)
    lasts = timedelta(days=wanted.expires_days) if wanted.expires_days else None
    made = services.ledger.api_keys.put(new, caller.organization_id, wanted.label, roles, wanted.employee_id, lasts)
    return _shown(new, made)


@router.post(
    "/{keyId}/rotate",
    response_model=ShownKey,
    status_code=201,
    operation_id="rotateKey",
    responses=told_as(404, 409),
    summary="Make a key with the rights of an old one, which goes on for a while",
)
def rotate_key(key_id: KeyId, caller: Admin, services: OurServices, rotation: Rotation | None = None) -> dict[str, Any]:
    new = mint_key(services.settings.environment)
    grace = timedelta(hours=(rotation or Rotation.model_validate({})).grace_hours)
    return _shown(new, services.ledger.api_keys.rotate(key_id, new, grace, caller.organization_id))


@router.delete(
    "/{keyId}",
    response_model=KnownKey,
    operation_id="revokeKey",
    summary="End a key at once, and its sessions",
    responses=told_as(404),
)
def revoke_key(key_id: KeyId, caller: Admin, services: OurServices) -> dict[str, Any]:
    return services.ledger.api_keys.revoke(key_id, caller.organization_id).as_json()


def _shown(new: NewKey, key: Key) -> dict[str, Any]:
    return {**key.as_json(), "key": new.text}
