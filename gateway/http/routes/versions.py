"""What changes which version of a document is live: going back, and taking the document out.

Both may take minutes, so neither is done here: each is kept as the event that an app would have sent, which survives
anything, and a run does it. What cannot be done is refused at once.
"""

import json
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.http.auth.callers import OurServices
from gateway.http.auth.document_access import MOST_NUMBER, CurrentVersion, StrictInt
from gateway.http.problems import told_as
from gateway.schemas.documents import CleanedUp, Removing, RollingBack
from operations.documents.removal import plan_removal, request_removal
from operations.documents.rollback import request_rollback

router = APIRouter(tags=["documents"])


class Target(BaseModel):
    """Which version is to be live again."""

    model_config = ConfigDict(extra="forbid")

    targetVersion: StrictInt = Field(ge=1, le=MOST_NUMBER, examples=[1])


@router.post(
    "/documents/{documentId}/rollback",
    status_code=HTTPStatus.ACCEPTED,
    response_model=RollingBack,
    summary="Make an older version live again, from kept embeddings: nothing is paid",
    responses=told_as(400, 404, 409),
)
def roll_back_document(
    version: CurrentVersion, target: Target, services: OurServices, response: Response
) -> dict[str, Any]:
    """It is done when `liveVersion` of the document says so."""
    event_id = request_rollback(services.ledger, version, target.targetVersion)
    response.headers["Location"] = f"/documents/{version.document_id}"
    return {
        "documentId": version.document_id,
        "targetVersion": target.targetVersion,
        "liveVersion": version.live_version,
        "eventId": event_id,
    }


@router.delete(
    "/documents/{documentId}",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Removing,
    summary="Remove a document whole; rows that other documents share stay for them",
    responses=told_as(404, 409, beside={200: {"model": CleanedUp, "description": "What would go (`dryRun`)"}}),
)
def delete_document(
    version: CurrentVersion,
    services: OurServices,
    response: Response,
    dry_run: Annotated[bool, Query(alias="dryRun", description="Tell what would go; remove nothing.")] = False,
) -> Any:
    """No search shows it from now on; its vectors, files and rows go in a run."""
    (plan,) = plan_removal(services.document_stores, version.document_id)
    if dry_run:
        return Response(json.dumps(plan.as_json(), ensure_ascii=False), media_type="application/json")
    event_id = request_removal(services.document_stores, version)
    return {**plan.as_json(), "dryRun": False, "eventId": event_id}
