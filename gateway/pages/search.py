"""Search for people: a question, hits with their rows, and what a vector came from."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from domain.access.api_keys import Caller
from gateway.http.auth.callers import OurServices, Searcher
from gateway.http.routes.lineage import get_lineage
from gateway.http.routes.search import MAX_QUERY_LENGTH, Question, find
from gateway.pages.content_negotiation import PageRoute
from gateway.pages.highlighting import highlighted
from gateway.pages.links import run_address
from gateway.pages.rendering import page
from operations.services import Services

router = APIRouter(route_class=PageRoute, include_in_schema=False)
HITS = 10
MOST_CHOICES = 200  # documents and employees to choose from


@router.get("/search")
def search_page(
    request: Request,
    caller: Searcher,
    services: OurServices,
    q: Annotated[str, Query(max_length=MAX_QUERY_LENGTH)] = "",
    document_id: Annotated[str, Query(alias="documentId", max_length=255)] = "",
    employee_id: Annotated[str, Query(alias="employeeId", max_length=64)] = "",
) -> Response:
    """What is not chosen comes as an empty text; a question of spaces is none."""
    answer: dict[str, Any] = {}
    asked = q.replace("\0", " ").strip()
    if asked:
        question = Question(q=asked, k=HITS, documentId=document_id or None, employeeId=employee_id or None)
        answer = find(services, caller, question).to_json()
    hits = [{**hit, "pieces": lines_of(hit["text"], asked)} for hit in answer.get("hits", [])]
    return page(
        request,
        "search.html",
        caller,
        question=q,
        asked=bool(asked),
        hits=hits,
        not_searched=len(answer.get("notSearched", [])),
        document=document_id,
        employee=employee_id,
        **choices(services, caller),
    )


def lines_of(text: str, question: str) -> list[list[Any]]:
    return [highlighted(line, question) for line in text.splitlines() if line.strip()]


def choices(services: Services, caller: Caller) -> dict[str, Any]:
    """What the search can be narrowed to; a key of one employee is narrowed already."""
    if caller.employee_id is not None:
        return {"documents": [], "employees": []}
    versions = services.ledger.listing.page(caller.organization_id, MOST_CHOICES)
    return {
        "documents": [version for version in versions if version.live_version],
        "employees": services.ledger.organizations.employees(caller.organization_id)[:MOST_CHOICES],
    }


@router.get("/lineage/{vectorId}")
def trace_page(
    request: Request,
    caller: Searcher,
    services: OurServices,
    vector_id: Annotated[UUID, Path(alias="vectorId")],
) -> Response:
    trace = get_lineage(vector_id, caller, services).to_json()
    rows = [{**row, "run": run_address(services.settings, row["runId"])} for row in trace["rows"]]
    sees_documents = caller.may("upload") and caller.employee_id is None
    return page(request, "trace.html", caller, vector={**trace, "rows": rows}, sees_documents=sees_documents)
