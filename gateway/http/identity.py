"""Who asks, by the key or the session that the request shows, and whether the key may do that."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from pipelines.access.keys import Caller, Role
from resources.services import Services

SESSION_COOKIE = "rowline_session"


def services_of(request: Request) -> Services:
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


OurServices = Annotated[Services, Depends(services_of)]


def caller_of(request: Request, services: OurServices) -> Caller:
    """The caller of `Authorization: Bearer <key>`, else of the browser's session. Answers 401 where neither is good."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and shown:
        found = services.ledger.keys.caller(shown.strip())
    elif token := request.cookies.get(SESSION_COOKIE):
        found = services.ledger.keys.of_session(token)
    else:
        found = None
    if found is None:
        raise HTTPException(
            HTTPStatus.UNAUTHORIZED,
            "Show a known key, as `Authorization: Bearer rl_…`; `rowline keys create` makes one",
            {"WWW-Authenticate": "Bearer"},
        )
    return found


def needs(role: Role) -> Callable[[Caller], Caller]:
    """A dependency: the caller, who has the role. Answers 403 where the key has not."""

    def checked(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if not caller.may(role):
            raise HTTPException(HTTPStatus.FORBIDDEN, f"This key has not the role {role}")
        return caller

    return checked


Uploader = Annotated[Caller, Depends(needs("upload"))]
Searcher = Annotated[Caller, Depends(needs("search"))]
Admin = Annotated[Caller, Depends(needs("admin"))]
