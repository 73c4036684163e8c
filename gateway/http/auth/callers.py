"""The caller of a request, by its key or session, and whether the caller has the role."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from domain.access.api_keys import Caller, Role, environment_of
from domain.errors import ErrorCode
from gateway.http.auth.cookies import session_token
from gateway.http.auth.rate_limits import get_limits
from gateway.http.refusals import Refusal
from operations.services import Services
from settings.values import is_loopback

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
KEY_REQUIRED = "Show a known key, as `Authorization: Bearer rl_…`; `rowline keys create` makes one"


def get_services(request: Request) -> Services:
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


OurServices = Annotated[Services, Depends(get_services)]


BEARER = HTTPBearer(auto_error=False, scheme_name="key", description="A key of the organization, `rl_…`.")


def authenticate(
    request: Request,
    services: OurServices,
    __: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)] = None,  # so that OpenAPI says it
) -> Caller:
    """The caller of `Authorization: Bearer <key>`, else of the browser's session. Answers 401 if neither is valid."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials:
        caller = authenticate_key(request, services, credentials.strip())
    else:
        visitor = find_visitor(request, services)
        if visitor is None:
            raise unauthorized(KEY_REQUIRED)
        check_same_origin(request)
        caller = visitor
    request.state.caller = caller  # for the log
    get_limits(request).count_request(request, caller)
    return caller


def authenticate_key(request: Request, services: Services, text: str) -> Caller:
    """The holder of this key. Answers 401 with the reason, and 429 to an address that sent too many wrong keys."""
    key = services.ledger.api_keys.find(text)
    environment = services.settings.environment
    if key is None:
        get_limits(request).count_wrong_key(request)
        raise unauthorized(KEY_REQUIRED)
    if not key.is_active:
        raise unauthorized(f"Key {key.key_id} is {key.state}; ask for a new one")
    if (intended := environment_of(text)) != environment:
        raise unauthorized(f"Key {key.key_id} is for {intended}, and this is {environment}; show a key made here")
    request.state.caller = key.caller  # for the log, and for the detail of errors
    return key.caller


def find_visitor(request: Request, services: Services) -> Caller | None:
    """The caller in a browser: signed in with a key, or the developer of this computer; None for anybody else.

    For pages that look different to a stranger. A route that changes something calls `check_same_origin` too.
    """
    token = session_token(request)
    caller = services.ledger.api_keys.of_session(token) if token else None
    return caller or find_developer(request, services)


def find_developer(request: Request, services: Services) -> Caller | None:
    """The development login: a browser on this computer is an admin of DEFAULT_ORGANIZATION without a key.

    Only if ENVIRONMENT=development, which no other setting changes; only from loopback, under a loopback name
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
    """Answers 403 to a change that a page of another origin requests through a signed-in browser (CSRF).

    A browser names the origin in Sec-Fetch-Site or else in Origin; a request with neither is refused too.
    A key in a header needs no such check: no page can make a browser send it.
    """
    if request.method in SAFE_METHODS:
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
    """A dependency: the caller. Answers 403 if the key does not have the role."""

    def checked(caller: Annotated[Caller, Depends(authenticate)]) -> Caller:
        if not caller.may(role):
            raise HTTPException(HTTPStatus.FORBIDDEN, f"This key has not the role {role}")
        return caller

    return checked


Uploader = Annotated[Caller, Depends(needs("upload"))]
Searcher = Annotated[Caller, Depends(needs("search"))]
Admin = Annotated[Caller, Depends(needs("admin"))]
