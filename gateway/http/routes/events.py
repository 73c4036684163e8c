"""The event API of apps: `POST /e/{eventKey}`, answered when the events are stored.

Its answers are the event engine's, which its SDKs expect, and no problem documents: an error has a non-empty `error`
and a `status` that is the HTTP code, because SDKs read nothing else.
"""

import hmac
import logging
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import ClientDisconnect

from domain.access.api_keys import Caller
from domain.errors import InvalidRequest, RowlineError, TooLarge
from domain.events.acceptance import OrganizationMismatch
from gateway.http.auth.callers import KEY_REQUIRED, authenticate_key, get_services
from gateway.http.auth.rate_limits import get_limits
from gateway.http.problems import reason_of, status_of
from operations.events.intake import ingest_events
from operations.services import Services
from settings.errors import is_placeholder

log = logging.getLogger(__name__)
router = APIRouter(tags=["events"])

SEED_HEADER = "x-inngest-event-id-seed"
PATH = "/e/{event_key:anything}"
HEADERS = {
    "x-inngest-server-kind": "cloud"
}  # those of CORS are `gateway/http/middleware/security_headers.py`'s, on every answer here
MAX_CONCURRENT_REQUESTS = 100  # per process, because each holds its body; SDKs repeat the rest after a 503


class Anything(StringConvertor):
    """Like `path`, but with line breaks: any text in place of a key is answered as a wrong key."""

    regex = r"[\s\S]*"


register_url_convertor("anything", Anything())


class EventIds(BaseModel):
    """The ids of the events, in their order."""

    ids: list[str] = Field(examples=[["01M7Y1BYAWCM74RYSJ606BDNG5"]])
    status: int = Field(examples=[200])


class SendError(BaseModel):
    """Why nothing was stored; `status` is the HTTP code."""

    error: str = Field(examples=["Event key not found"])
    status: int = Field(examples=[401])


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": SendError, "description": HTTPStatus(status).phrase} for status in (400, 401, 403, 413, 503)
}
EVENT = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "example": "document/process"},
        "data": {"type": ["object", "null"], "example": {"documentId": "order-2026-11"}},
        "id": {"type": ["string", "null"], "description": "Accepted once in 24 hours, for each name."},
        "ts": {
            "type": ["integer", "null"],
            "description": "Milliseconds since 1970; functions start at that time.",
        },
        "v": {"type": ["string", "null"]},
        "user": {"type": ["object", "null"]},
        "meta": {"type": ["object", "null"]},
    },
}


class SendForbidden(Exception):
    """The sender may not send; raised before the body is read."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@router.post(
    PATH,
    summary="Send events",
    response_model=EventIds,
    responses=REFUSALS,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"anyOf": [EVENT, {"type": "array", "items": EVENT}]}}},
        }
    },
)
async def send_events(request: Request, event_key: str) -> Response:
    """One event as a JSON object, or up to 5,000 as an array, whatever the content type says.

    Answers 200 with their ids once they are stored; all of a request are, or none. The same `id` of a name in 24 hours,
    and the same `x-inngest-event-id-seed`, have one effect.
    """
    services, state = get_services(request), request.app.state
    try:
        caller = await run_in_threadpool(authenticate_sender, request, services, event_key)
        state.open_sends = getattr(state, "open_sends", 0) + 1
        try:
            if state.open_sends > MAX_CONCURRENT_REQUESTS:
                raise SendForbidden(
                    HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests send events at once; send them again"
                )
            body = await read_body(request, services.settings.max_event_request_bytes)
            ids = await run_in_threadpool(
                ingest_events, services.ledger, caller.organization_id, body, request.headers.get(SEED_HEADER)
            )
        finally:
            state.open_sends -= 1
    except SendForbidden as refusal:
        return error_response(refusal.status, str(refusal))
    except HTTPException as refusal:
        return _key_error_response(refusal)
    except RowlineError as failure:
        return error_response(_status(failure), reason_of(request, failure))
    except ClientDisconnect:
        return error_response(HTTPStatus.BAD_REQUEST, "The request broke off")
    except Exception:  # the boundary: SDKs crash on an answer that is not JSON
        log.exception("An event could not be accepted")
        return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "The gateway failed; its log says why")
    return JSONResponse({"ids": ids or [""], "status": 200}, headers=HEADERS)


@router.api_route(PATH, methods=["GET", "PUT", "PATCH", "DELETE"], include_in_schema=False)
def wrong_method() -> Response:
    return error_response(HTTPStatus.METHOD_NOT_ALLOWED, "Events are sent with POST", {"allow": "POST, OPTIONS"})


def authenticate_sender(request: Request, services: Services, key: str) -> Caller:
    """The sender of the events. Raises SendForbidden for a key that may not send, in the event engine's words."""
    ours = services.settings.inngest_event_key
    expected = ours.get_secret_value().strip() if ours else ""
    usable = bool(expected) and not is_placeholder(expected)
    if usable and hmac.compare_digest(key.encode("utf-8", "surrogatepass"), expected.encode()):
        caller = Caller(services.settings.default_organization, frozenset({"events"}))
    elif not usable and not services.ledger.api_keys.any_exist():
        reason = "Event keys are required to process events securely: set INNGEST_EVENT_KEY, or `rowline keys create`"
        raise SendForbidden(HTTPStatus.SERVICE_UNAVAILABLE, reason)
    else:
        caller = authenticate_key(request, services, key)
    if not caller.may("events"):
        raise SendForbidden(HTTPStatus.UNAUTHORIZED, "Event key not found: this key has not the role events")
    get_limits(request).count_send(request, caller)
    return caller


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it exceeds the limit in bytes, without reading on."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large(limit)
    return bytes(body)


def too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request is over the max size: Max {limit} bytes; send the events in several requests")


def _status(failure: RowlineError) -> HTTPStatus:
    if isinstance(failure, OrganizationMismatch):
        return HTTPStatus.FORBIDDEN
    if isinstance(failure, InvalidRequest) and not isinstance(failure, TooLarge):
        return HTTPStatus.BAD_REQUEST
    return status_of(failure)


def _key_error_response(refusal: HTTPException) -> JSONResponse:
    """The error of a key, in the words of this API. SDKs give up at a 429, and repeat a 503."""
    if refusal.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return error_response(HTTPStatus.SERVICE_UNAVAILABLE, str(refusal.detail), dict(refusal.headers or {}))
    unknown = refusal.detail == KEY_REQUIRED
    reason = "Event key not found" if unknown else f"Event key not found: {refusal.detail}"
    return error_response(HTTPStatus(refusal.status_code), reason, dict(refusal.headers or {}))


def error_response(status: HTTPStatus, reason: str, headers: dict[str, str] | None = None) -> JSONResponse:
    body: dict[str, object] = {"ids": [""], "status": int(status), "error": reason}
    if status is HTTPStatus.UNAUTHORIZED:
        body = {"status": int(status), "message": "", "error": reason}
    # the rest of a body is not read
    return JSONResponse(body, status, {**HEADERS, "connection": "close", **(headers or {})})
