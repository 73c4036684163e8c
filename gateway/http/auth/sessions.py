"""Sessions of browsers: opened with a key, and held in a cookie that neither scripts nor other sites can read."""

from datetime import timedelta

from fastapi import Request, Response

from domain.access.api_keys import Caller, mint_token
from gateway.http.auth.callers import authenticate_key, check_same_origin
from gateway.http.auth.cookies import cookie_name, is_guarded, session_token
from operations.services import Services


def sign_in(request: Request, response: Response, services: Services, key: str) -> Caller:
    """Open a session for the holder of the key, and set its cookie. Answers 401 and 429 as every other request.

    The token is always new and the browser's previous session ends, so nobody continues a session that somebody
    else knows.
    """
    check_same_origin(request)
    caller = authenticate_key(request, services, key.strip())
    assert caller.key_id is not None
    end_session(request, services)
    token, lasts = mint_token(), timedelta(hours=services.settings.session_hours)
    services.ledger.api_keys.open_session(token, caller.key_id, lasts)
    response.set_cookie(
        cookie_name(request),
        token,
        max_age=int(lasts.total_seconds()),
        path="/",
        secure=is_guarded(request),
        httponly=True,
        samesite="strict",
    )
    return caller


def sign_out(request: Request, response: Response, services: Services) -> None:
    """End the session, here and in the browser."""
    check_same_origin(request)
    end_session(request, services)
    response.delete_cookie(cookie_name(request), path="/", secure=is_guarded(request), httponly=True, samesite="strict")


def end_session(request: Request, services: Services) -> None:
    if token := session_token(request):
        services.ledger.api_keys.close_session(token)
