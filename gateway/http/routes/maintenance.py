"""Rollback and deletion of a document.

Both may take minutes, so each is stored as the event that an app would have sent, and a run carries it out.
Requests that cannot be carried out are refused at once.
"""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from gateway.http.auth.callers import OurServices
from gateway.http.auth.document_access import MAX_VERSION, CurrentVersion, StrictInt
from gateway.http.problems import problem_responses
from gateway.schemas.maintenance import Removal, RemovalRequest, RollbackRequest
from operations.documents.removal import plan_removal, request_removal
from operations.documents.rollback import request_rollback

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
    event_id = request_rollback(services.ledger, version, target.targetVersion)
    response.headers["Location"] = f"/documents/{version.document_id}"
    return RollbackRequest(
        document_id=version.document_id,
        target_version=target.targetVersion,
        live_version=version.live_version,
        event_id=event_id,
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
    removal = Removal.from_plan(*plan_removal(services.document_stores, version.document_id))
    if dry_run:
        return JSONResponse(removal.to_json())
    return RemovalRequest.from_event(removal, request_removal(services.document_stores, version))
