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
from gateway.http.auth.callers import SAFE, caller_of, services_of, unauthorized
from gateway.http.auth.rate_limits import limits_of
from operations.services import Services
from settings.errors import is_real

BODILESS = {*SAFE, "DELETE"}


def machine(role: Role, clock: Callable[[], float] = time.time) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency: who has the role, by a key, by INNGEST_SIGNING_KEY as a bearer, or by a signature.

    The signing key is DEFAULT_ORGANIZATION's. A signed request that changes something is honoured once.
    """

    async def checked(request: Request) -> Caller:
        if signatures.HEADER in request.headers and "authorization" not in request.headers:
            body = await request.body()
            return await run_in_threadpool(_signer, request, body, role, clock())
        return await run_in_threadpool(_bearer, request, role)

    return checked


def _signer(request: Request, body: bytes, role: Role, now: float) -> Caller:
    services = services_of(request)
    target = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    # also where it has a body: one that we have signed for somebody else must open nothing here
    bodiless = not body or request.method in BODILESS
    message = signatures.request_without_body(request.method, target) if bodiless else body
    try:
        digest = signatures.check(message, request.headers[signatures.HEADER], signing_keys(services), now)
    except InvalidSignature as wrong:
        limits_of(request).count_wrong_key(request)
        raise unauthorized(str(wrong), wrong.code) from None
    if request.method not in SAFE and not services.ledger.api_keys.consume_signature(
        digest, 2 * signatures.TOLERANCE_SECONDS
    ):
        raise unauthorized(
            "This signature was used before; sign each request anew, with its own time or content",
            ErrorCode.INVALID_SIGNATURE,
        )
    return _counted(request, services, role)


def _bearer(request: Request, role: Role) -> Caller:
    services = services_of(request)
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and any(
        signatures.is_signing_key(shown.strip(), key) for key in signing_keys(services)
    ):
        return _counted(request, services, role)
    caller = caller_of(request, services)
    if not caller.may(role):
        raise HTTPException(HTTPStatus.FORBIDDEN, f"This key has not the role {role}")
    return caller


def signing_keys(services: Services) -> list[str]:
    """The key that signs first, then the one that is on its way out."""
    settings = services.settings
    keys = (settings.inngest_signing_key, settings.inngest_signing_key_fallback)
    return [key.get_secret_value().strip() for key in keys if key and is_real(key)]


def _counted(request: Request, services: Services, role: Role) -> Caller:
    caller = Caller(services.settings.default_organization, frozenset({role}))
    request.state.caller = caller
    limits_of(request).count_request(request, caller)
    return caller
