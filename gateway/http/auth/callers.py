"""Who asks, by the key or the session that the request shows, and whether the key may do that."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from domain.access.api_keys import Caller, Role, environment_of
from domain.errors import ErrorCode
from gateway.http.auth.cookies import session_token
from gateway.http.auth.rate_limits import limits_of
from gateway.http.refusals import Refusal
from operations.services import Services
from settings.values import is_loopback

SAFE = ("GET", "HEAD", "OPTIONS")
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
SHOW_A_KEY = "Show a known key, as `Authorization: Bearer rl_…`; `rowline keys create` makes one"


def services_of(request: Request) -> Services:
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


OurServices = Annotated[Services, Depends(services_of)]


SHOWN = HTTPBearer(auto_error=False, scheme_name="key", description="A key of the organization, `rl_…`.")


def caller_of(
    request: Request,
    services: OurServices,
    __: Annotated[HTTPAuthorizationCredentials | None, Security(SHOWN)] = None,  # so that OpenAPI says it
) -> Caller:
    """The caller of `Authorization: Bearer <key>`, else of the browser's session. Answers 401 where neither is good."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and shown:
        caller = holder_of(request, services, shown.strip())
    else:
        found = visitor_of(request, services)
        if found is None:
            raise unauthorized(SHOW_A_KEY)
        check_same_origin(request)
        caller = found
    request.state.caller = caller  # for the log
    limits_of(request).count_request(request, caller)
    return caller


def holder_of(request: Request, services: Services, text: str) -> Caller:
    """Who holds this key. Answers 401 with the reason, and 429 to an address that has shown too many wrong ones."""
    key = services.ledger.api_keys.find(text)
    environment = services.settings.environment
    if key is None:
        limits_of(request).count_wrong_key(request)
        raise unauthorized(SHOW_A_KEY)
    if not key.is_active:
        raise unauthorized(f"Key {key.key_id} is {key.state}; ask for a new one")
    if (meant := environment_of(text)) != environment:
        raise unauthorized(f"Key {key.key_id} is for {meant}, and this is {environment}; show a key made here")
    request.state.caller = key.caller  # for the log, and for what is told of failures
    return key.caller


def visitor_of(request: Request, services: Services) -> Caller | None:
    """Who looks on with a browser: signed in with a key, or the developer of this computer; None for anybody else.

    For pages that look different to a stranger. What changes something also asks `check_same_origin`.
    """
    token = session_token(request)
    found = services.ledger.api_keys.of_session(token) if token else None
    return found or developer_of(request, services)


def developer_of(request: Request, services: Services) -> Caller | None:
    """The development login: a browser on this computer is an admin of DEFAULT_ORGANIZATION without a key.

    Only where ENVIRONMENT=development, which no other setting changes; only from loopback, under a loopback name
    (a page elsewhere can make its own name point here), not through a proxy (which may speak for the world), and only
    by what a browser alone sends and no page can forge.
    """
    if services.settings.environment != "development" or request.client is None:
        return None
    if any(name in request.headers for name in FORWARDED) or "sec-fetch-site" not in request.headers:
        return None
    if not is_loopback(request.client.host) or not is_loopback(request.url.hostname or ""):
        return None
    return Caller(services.settings.default_organization, frozenset({"admin"}))


def check_same_origin(request: Request) -> None:
    """Answers 403 to a change that a page of another origin had a signed-in browser ask for (CSRF).

    A browser says where a request comes from, in Sec-Fetch-Site or else in Origin; what says neither is refused too.
    A key in a header needs no such check: no page can make a browser send it.
    """
    if request.method in SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        same = site in ("same-origin", "none")
    else:
        origin = urlsplit(request.headers.get("origin", ""))
        same = (origin.scheme, origin.netloc) == (request.url.scheme, request.url.netloc)
    if not same:
        raise HTTPException(
            HTTPStatus.FORBIDDEN,
            "This request comes from a page of another site; ask from Rowline's own, or show a key",
        )


def unauthorized(reason: str, code: ErrorCode = ErrorCode.UNAUTHORIZED) -> Refusal:
    return Refusal(HTTPStatus.UNAUTHORIZED, reason, {"WWW-Authenticate": "Bearer"}, code)


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
