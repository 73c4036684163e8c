"""Lineage: where a vector came from."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from domain.errors import NotFound
from gateway.http.auth.callers import OurServices, Searcher
from gateway.http.problems import problem_responses
from gateway.schemas.search import Trace

router = APIRouter(tags=["search"])


@router.get(
    "/lineage/{vectorId}",
    response_model=Trace,
    summary="What a vector came from: file, version, row, batch, model and run",
    responses=problem_responses(404),
)
def get_lineage(
    vector_id: Annotated[UUID, Path(alias="vectorId", description="As a hit names it.")],
    caller: Searcher,
    services: OurServices,
) -> Trace:
    """A key of one employee sees that employee's rows only."""
    rows = services.ledger.lineage.trace(str(vector_id), caller.organization_id, caller.employee_id)
    if not rows:
        raise NotFound(f"Nothing points at vector {vector_id}")
    return Trace.from_rows(rows)
