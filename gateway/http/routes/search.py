"""Search by meaning, in the rows that the caller may see."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from domain.access.api_keys import Caller
from gateway.http.auth.callers import OurServices, Searcher
from gateway.http.auth.document_access import NO_NUL, StrictInt
from gateway.http.problems import problem_responses, wrong_field
from gateway.schemas.documents import DOCUMENT_ID
from gateway.schemas.search import Hits
from operations.documents.search import Scope
from operations.services import Services

router = APIRouter(tags=["search"])
MAX_QUERY_LENGTH, MAX_QUESTION_LENGTH = 2_000, 20_000  # characters in a URL, and in a body
MAX_HITS = 200
MAX_NOT_SEARCHED = 100  # documents that an answer names


class Question(BaseModel):
    """A question, and where to search."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field(min_length=1, max_length=MAX_QUESTION_LENGTH, pattern=NO_NUL, examples=["자전거를 도둑맞았어요"])
    k: StrictInt = Field(10, ge=1, le=MAX_HITS, description="The number of hits at most.")
    documentId: str | None = Field(None, min_length=1, max_length=255, pattern=NO_NUL, examples=[DOCUMENT_ID])
    employeeId: str | None = Field(None, min_length=1, max_length=64, pattern=NO_NUL)


@router.get(
    "/search",
    response_model=Hits,
    response_model_exclude_unset=True,
    summary="Find rows by meaning; each hit names the rows it came from",
    responses=problem_responses(404),
)
def search(
    caller: Searcher,
    services: OurServices,
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=MAX_QUERY_LENGTH,
            pattern=NO_NUL,
            description="A question or words, in any language.",
        ),
    ],
    k: Annotated[int, Query(ge=1, le=MAX_HITS, description="The number of hits at most.")] = 10,
    document_id: Annotated[
        str | None,
        Query(alias="documentId", min_length=1, max_length=255, pattern=NO_NUL, description="Only this document."),
    ] = None,
    employee_id: Annotated[
        str | None,
        Query(alias="employeeId", min_length=1, max_length=64, pattern=NO_NUL, description="Only this employee's."),
    ] = None,
) -> Hits:
    return find(services, caller, Question(q=q, k=k, documentId=document_id, employeeId=employee_id))


@router.post(
    "/search",
    response_model=Hits,
    response_model_exclude_unset=True,
    summary="The same, for long questions",
    responses=problem_responses(400, 404),
)
def search_long(caller: Searcher, services: OurServices, question: Question) -> Hits:
    return find(services, caller, question)


def find(services: Services, caller: Caller, question: Question) -> Hits:
    """The hits, and which documents could not be searched.

    A key of one employee finds only that employee's rows.
    """
    if not question.q.strip():
        raise wrong_field("q", "is empty; say what to search for")
    if caller.employee_id not in (None, question.employeeId or caller.employee_id):
        raise wrong_field("employeeId", "is not the employee of this key; leave it out")
    document = question.documentId
    if document is not None:
        document = services.ledger.listing.document(caller.organization_id, document).document_id
    scope = Scope(caller.organization_id, caller.employee_id or question.employeeId, document)
    hits = services.search.find(question.q, scope, question.k)
    elsewhere = services.search.unsearchable(scope) if caller.employee_id is None else []
    return Hits.from_hits(hits, elsewhere[:MAX_NOT_SEARCHED])
