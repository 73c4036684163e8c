"""Keys of the caller's organization, for its admins: the same as `rowline keys`."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from domain.access.api_keys import Role, checked_rights, mint_key
from gateway.http.auth.callers import Admin, OurServices
from gateway.http.auth.document_access import NO_NUL
from gateway.http.problems import problem_responses
from gateway.schemas.keys import CreatedKey, Key, Keys
from resources.ledger.access.api_keys import GRACE

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


class KeyRequest(Body):
    """The rights of a new key."""

    roles: list[Role] = Field(min_length=1, max_length=4)
    label: Text = ""
    employee_id: Text | None = Field(None, description="Search only what this employee may see; role search only.")
    expires_days: int | None = Field(None, ge=1, le=3650, description="Days after which the key ends.")


class Rotation(Body):
    grace_hours: float = Field(
        GRACE / timedelta(hours=1), ge=0, le=24 * 90, description="How long the old key is still accepted."
    )


@router.get("", response_model=Keys, summary="Keys of the organization")
def list_keys(caller: Admin, services: OurServices) -> Keys:
    return Keys(keys=[Key.from_key(key) for key in services.ledger.api_keys.list_all(caller.organization_id)])


@router.post(
    "",
    response_model=CreatedKey,
    status_code=201,
    operation_id="createKey",
    summary="Make a key",
    responses=problem_responses(400, 404),
)
def create_key(request: KeyRequest, caller: Admin, services: OurServices) -> CreatedKey:
    roles = checked_rights(request.roles, request.employee_id)
    new = mint_key(services.settings.environment)
    lasts = timedelta(days=request.expires_days) if request.expires_days else None
    key = services.ledger.api_keys.put(new, caller.organization_id, request.label, roles, request.employee_id, lasts)
    return CreatedKey.from_new(new, key)


@router.post(
    "/{keyId}/rotate",
    response_model=CreatedKey,
    status_code=201,
    operation_id="rotateKey",
    responses=problem_responses(404, 409),
    summary="Replace a key by a new one with its rights; the old one is accepted for a while",
)
def rotate_key(key_id: KeyId, caller: Admin, services: OurServices, rotation: Rotation | None = None) -> CreatedKey:
    new = mint_key(services.settings.environment)
    grace = timedelta(hours=(rotation or Rotation.model_validate({})).grace_hours)
    return CreatedKey.from_new(new, services.ledger.api_keys.rotate(key_id, new, grace, caller.organization_id))


@router.delete(
    "/{keyId}",
    response_model=Key,
    operation_id="revokeKey",
    summary="End a key at once, and its sessions",
    responses=problem_responses(404),
)
def revoke_key(key_id: KeyId, caller: Admin, services: OurServices) -> Key:
    return Key.from_key(services.ledger.api_keys.revoke(key_id, caller.organization_id))
