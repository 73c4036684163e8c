"""Operators: callers who may see the state of the whole deployment, which is about all organizations."""

import hmac
from http import HTTPStatus

from fastapi import HTTPException, Request

from gateway.http.auth.callers import FORWARDED, authenticate_key, find_visitor, get_services, unauthorized
from settings.values import is_loopback

OPERATOR_REQUIRED = (
    "Show METRICS_TOKEN, or a key of DEFAULT_ORGANIZATION with the role admin, as `Authorization: Bearer …`"
)


def is_operator(request: Request) -> bool:
    """METRICS_TOKEN, an admin of DEFAULT_ORGANIZATION, or in development anybody on this computer.

    Answers 401 to an unknown key, as all routes do.
    """
    services = get_services(request)
    settings = services.settings
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials:
        token = settings.metrics_token
        if token and hmac.compare_digest(credentials.strip().encode(), token.get_secret_value().encode()):
            return True
        caller = authenticate_key(request, services, credentials.strip())
    else:
        if settings.environment == "development" and _is_near(request):
            return True
        visitor = find_visitor(request, services)
        if visitor is None:
            return False
        caller = visitor
    request.state.caller = caller
    return caller.may("admin") and caller.organization_id == settings.default_organization and not caller.employee_id


def check_operator(request: Request) -> None:
    """Answers 401 or 403 to anybody else."""
    if is_operator(request):
        return
    if hasattr(request.state, "caller"):
        raise HTTPException(HTTPStatus.FORBIDDEN, OPERATOR_REQUIRED)
    raise unauthorized(OPERATOR_REQUIRED)


def _is_near(request: Request) -> bool:
    """On this computer, under a name of this computer, and not through a proxy that may speak for the world."""
    near = request.client is not None and is_loopback(request.client.host) and is_loopback(request.url.hostname or "")
    return near and not any(name in request.headers for name in FORWARDED)
