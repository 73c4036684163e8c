"""Whether this process lives, and whether what it needs is there."""

from typing import Any

from fastapi import APIRouter

router = APIRouter(tags=["operation"])


@router.get("/health")
@router.get("/health/live", include_in_schema=False)
def live() -> dict[str, Any]:
    """This process answers. The shape is the one that apps of the event API know."""
    return {"status": 200, "message": "OK"}
