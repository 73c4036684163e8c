"""Rollback and deletion of a document.

Both may take minutes, so each is stored as the event that an app would have sent, and a run carries it out.
Requests that cannot be carried out are refused at once.
"""

import json
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from domain.errors import Conflict
from gateway.http.auth.callers import OurServices
from gateway.http.auth.document_access import MAX_VERSION, CurrentVersion, StrictInt
from gateway.http.problems import problem_responses
from gateway.schemas.maintenance import Removal, RemovalRequest, RollbackRequest
from operations.documents.removal import would_go
from operations.events.intake import ingest_events
from operations.services import Services
from resources.ledger.documents.documents import Version

router = APIRouter(tags=["documents"])


class Target(BaseModel):
    """The version to make live again."""

    model_config = ConfigDict(extra="forbid")

    targetVersion: StrictInt = Field(ge=1, le=MAX_VERSION, examples=[1])


@router.post(
    "/documents/{documentId}/rollback",
    status_code=HTTPStatus.ACCEPTED,
    response_model=RollbackRequest,
    summary="Make an older version live again, from kept embeddings: nothing is paid",
    responses=problem_responses(400, 404, 409),
)
def roll_back_document(
    version: CurrentVersion, target: Target, services: OurServices, response: Response
) -> RollbackRequest:
    """It has ended when `liveVersion` of the document is the target."""
    services.ledger.live_versions.check_rollback(version.document_id, target.targetVersion)
    event = send(services, version, "document/rollback", targetVersion=target.targetVersion)
    response.headers["Location"] = f"/documents/{version.document_id}"
    return RollbackRequest(
        document_id=version.document_id,
        target_version=target.targetVersion,
        live_version=version.live_version,
        event_id=event,
    )


@router.delete(
    "/documents/{documentId}",
    status_code=HTTPStatus.ACCEPTED,
    response_model=RemovalRequest,
    summary="Remove a document whole; rows that other documents share stay for them",
    responses=problem_responses(
        404, 409, beside={200: {"model": Removal, "description": "What would be removed (`dryRun`)"}}
    ),
)
def delete_document(
    version: CurrentVersion,
    services: OurServices,
    response: Response,
    dry_run: Annotated[bool, Query(alias="dryRun", description="Count what would be removed; remove nothing.")] = False,
) -> Any:
    """Searches no longer show it; a run deletes its vectors, files and rows."""
    removal = Removal.from_plan(would_go(services.document_stores, version.document_id)[0])
    if dry_run:
        return JSONResponse(removal.to_json())
    check_at_rest(services, version)
    event = send(services, version, "document/cleanup")
    services.ledger.removals.withdraw_at_rest(version.document_id)
    return RemovalRequest.from_event(removal, event)


def check_at_rest(services: Services, version: Version) -> None:
    """Raises Conflict while a run processes the version, unless that run waits for a service, perhaps for hours."""
    if version.status == "processing" and not version.waits_for:
        raise Conflict(
            f"Version {version.version} of {version.document_id} is being processed; wait until it has ended"
        )


def send(services: Services, version: Version, name: str, **data: Any) -> str:
    """Store an event about the document; returns its id."""
    event = {"name": name, "data": {"documentId": version.document_id, **data}}
    (event_id,) = ingest_events(services, version.organization_id, json.dumps(event).encode())
    return event_id
