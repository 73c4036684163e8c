"""Who may see how the whole deployment is doing: it tells of all organizations, so no organization's key is enough."""

import hmac
from http import HTTPStatus

from fastapi import HTTPException, Request

from gateway.http.auth.callers import FORWARDED, holder_of, services_of, unauthorized, visitor_of
from settings.values import is_loopback

SHOW_THAT_YOU_MAY = (
    "Show METRICS_TOKEN, or a key of DEFAULT_ORGANIZATION with the role admin, as `Authorization: Bearer …`"
)


def is_operator(request: Request) -> bool:
    """METRICS_TOKEN, an admin of DEFAULT_ORGANIZATION, or in development anybody on this computer.

    Raises 401 for a key that is not known, as everywhere.
    """
    services = services_of(request)
    settings = services.settings
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and shown:
        token = settings.metrics_token
        if token and hmac.compare_digest(shown.strip().encode(), token.get_secret_value().encode()):
            return True
        caller = holder_of(request, services, shown.strip())
    else:
        if settings.environment == "development" and _is_near(request):
            return True
        found = visitor_of(request, services)
        if found is None:
            return False
        caller = found
    request.state.caller = caller
    return caller.may("admin") and caller.organization_id == settings.default_organization and not caller.employee_id


def check_operator(request: Request) -> None:
    """Answers 401 or 403 to anybody else."""
    if is_operator(request):
        return
    if hasattr(request.state, "caller"):
        raise HTTPException(HTTPStatus.FORBIDDEN, SHOW_THAT_YOU_MAY)
    raise unauthorized(SHOW_THAT_YOU_MAY)


def _is_near(request: Request) -> bool:
    """On this computer, under a name of this computer, and not through a proxy that may speak for the world."""
    near = request.client is not None and is_loopback(request.client.host) and is_loopback(request.url.hostname or "")
    return near and not any(name in request.headers for name in FORWARDED)
