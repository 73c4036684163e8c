"""Machine-to-machine requests: a key with the role, the signing key, or a signature made with it."""

import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool

from domain.access import signatures
from domain.access.api_keys import Caller, Role
from domain.access.signatures import InvalidSignature
from domain.errors import ErrorCode
from gateway.http.auth.callers import SAFE_METHODS, authenticate, get_services, unauthorized
from gateway.http.auth.rate_limits import get_limits
from operations.services import Services
from settings.errors import is_real

BODILESS = {*SAFE_METHODS, "DELETE"}


def machine(role: Role, clock: Callable[[], float] = time.time) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency: a caller with the role, by a key, by INNGEST_SIGNING_KEY as a bearer, or by a signature.

    The signing key is DEFAULT_ORGANIZATION's. A signed request that changes something is accepted once.
    """

    async def checked(request: Request) -> Caller:
        if signatures.HEADER in request.headers and "authorization" not in request.headers:
            body = await request.body()
            return await run_in_threadpool(_authenticate_signature, request, body, role, clock())
        return await run_in_threadpool(_authenticate_bearer, request, role)

    return checked


def _authenticate_signature(request: Request, body: bytes, role: Role, now: float) -> Caller:
    services = get_services(request)
    target = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    # even if there is a body: one that was signed for another purpose must not be accepted here
    bodiless = not body or request.method in BODILESS
    message = signatures.request_without_body(request.method, target) if bodiless else body
    try:
        digest = signatures.check(message, request.headers[signatures.HEADER], signing_keys(services), now)
    except InvalidSignature as wrong:
        get_limits(request).count_wrong_key(request)
        raise unauthorized(str(wrong), wrong.code) from None
    if request.method not in SAFE_METHODS and not services.ledger.api_keys.consume_signature(
        digest, 2 * signatures.TOLERANCE_SECONDS
    ):
        raise unauthorized(
            "This signature was used before; sign each request anew, with its own time or content",
            ErrorCode.INVALID_SIGNATURE,
        )
    return _count_default_caller(request, services, role)


def _authenticate_bearer(request: Request, role: Role) -> Caller:
    services = get_services(request)
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and any(
        signatures.is_signing_key(credentials.strip(), key) for key in signing_keys(services)
    ):
        return _count_default_caller(request, services, role)
    caller = authenticate(request, services)
    if not caller.may(role):
        raise HTTPException(HTTPStatus.FORBIDDEN, f"This key has not the role {role}")
    return caller


def signing_keys(services: Services) -> list[str]:
    """The current signing key first, then the one that it replaces."""
    settings = services.settings
    keys = (settings.inngest_signing_key, settings.inngest_signing_key_fallback)
    return [key.get_secret_value().strip() for key in keys if key and is_real(key)]


def _count_default_caller(request: Request, services: Services, role: Role) -> Caller:
    caller = Caller(services.settings.default_organization, frozenset({role}))
    request.state.caller = caller
    get_limits(request).count_request(request, caller)
    return caller
