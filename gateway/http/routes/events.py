"""The event API that apps speak: `POST /e/{eventKey}`, answered when the events are safely kept.

Its answers are the event engine's (contracts of its SDKs), not problem documents: a refusal has a non-empty `error`
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
from gateway.http.auth.callers import SHOW_A_KEY, holder_of, services_of
from gateway.http.auth.rate_limits import limits_of
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
MOST_AT_ONCE = 100  # requests whose bodies a process holds; more are told to come again, as their SDKs do


class Anything(StringConvertor):
    """As `path`, with line breaks: whatever stands for a key is answered as a key."""

    regex = r"[\s\S]*"


register_url_convertor("anything", Anything())


class Sent(BaseModel):
    """The ids of the events, in their order."""

    ids: list[str] = Field(examples=[["01M7Y1BYAWCM74RYSJ606BDNG5"]])
    status: int = Field(examples=[200])


class SendRefused(BaseModel):
    """Why nothing was kept; `status` is the HTTP code."""

    error: str = Field(examples=["Event key not found"])
    status: int = Field(examples=[401])


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": SendRefused, "description": HTTPStatus(status).phrase} for status in (400, 401, 403, 413, 503)
}
EVENT = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "example": "document/process"},
        "data": {"type": ["object", "null"], "example": {"documentId": "order-2026-11"}},
        "id": {"type": ["string", "null"], "description": "Honoured once in 24 hours, for each name."},
        "ts": {
            "type": ["integer", "null"],
            "description": "Milliseconds since 1970; what starts waits for it.",
        },
        "v": {"type": ["string", "null"]},
        "user": {"type": ["object", "null"]},
        "meta": {"type": ["object", "null"]},
    },
}


class Refused(Exception):
    """Who sends may not; told before a byte of the body is read."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@router.post(
    PATH,
    summary="Send events",
    response_model=Sent,
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

    Answers 200 with their ids once they are kept; all of a request are, or none. The same `id` of a name in 24 hours,
    and the same `x-inngest-event-id-seed`, have one effect.
    """
    services, held = services_of(request), request.app.state
    try:
        caller = await run_in_threadpool(sender, request, services, event_key)
        held.events_held = getattr(held, "events_held", 0) + 1
        try:
            if held.events_held > MOST_AT_ONCE:
                raise Refused(
                    HTTPStatus.SERVICE_UNAVAILABLE, "Too many events are being taken at once; send them again"
                )
            body = await read_body(request, services.settings.max_event_request_bytes)
            ids = await run_in_threadpool(
                ingest_events, services, caller.organization_id, body, request.headers.get(SEED_HEADER)
            )
        finally:
            held.events_held -= 1
    except Refused as refusal:
        return refused(refusal.status, str(refusal))
    except HTTPException as refusal:
        return _refused_holder(refusal)
    except RowlineError as failure:
        return refused(_status(failure), reason_of(request, failure))
    except ClientDisconnect:
        return refused(HTTPStatus.BAD_REQUEST, "The request broke off")
    except Exception:  # the boundary: an SDK that is answered anything but JSON crashes on it
        log.exception("An event could not be taken")
        return refused(HTTPStatus.INTERNAL_SERVER_ERROR, "The gateway failed; its log says why")
    return JSONResponse({"ids": ids or [""], "status": 200}, headers=HEADERS)


@router.api_route(PATH, methods=["GET", "PUT", "PATCH", "DELETE"], include_in_schema=False)
def wrong_method() -> Response:
    return refused(HTTPStatus.METHOD_NOT_ALLOWED, "Events are sent with POST", {"allow": "POST, OPTIONS"})


def sender(request: Request, services: Services, key: str) -> Caller:
    """Whose events these are. Raises Refused for a key that may not send, in the words that apps know."""
    ours = services.settings.inngest_event_key
    expected = ours.get_secret_value().strip() if ours else ""
    usable = bool(expected) and not is_placeholder(expected)
    if usable and hmac.compare_digest(key.encode("utf-8", "surrogatepass"), expected.encode()):
        caller = Caller(services.settings.default_organization, frozenset({"events"}))
    elif not usable and not services.ledger.api_keys.any_exist():
        reason = "Event keys are required to process events securely: set INNGEST_EVENT_KEY, or `rowline keys create`"
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, reason)
    else:
        caller = holder_of(request, services, key)
    if not caller.may("events"):
        raise Refused(HTTPStatus.UNAUTHORIZED, "Event key not found: this key has not the role events")
    limits_of(request).count_send(request, caller)
    return caller


async def read_body(request: Request, at_most: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be longer, without reading on."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told[:20]) > at_most:
        raise too_large(at_most)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > at_most:
            raise too_large(at_most)
    return bytes(body)


def too_large(at_most: int) -> TooLarge:
    return TooLarge(f"The request is over the max size: Max {at_most} bytes; send the events in several requests")


def _status(failure: RowlineError) -> HTTPStatus:
    if isinstance(failure, OrganizationMismatch):
        return HTTPStatus.FORBIDDEN
    if isinstance(failure, InvalidRequest) and not isinstance(failure, TooLarge):
        return HTTPStatus.BAD_REQUEST
    return status_of(failure)


def _refused_holder(refusal: HTTPException) -> JSONResponse:
    """What is said of a key in general, in the words of this API. SDKs give up at a 429, and come again at a 503."""
    if refusal.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return refused(HTTPStatus.SERVICE_UNAVAILABLE, str(refusal.detail), dict(refusal.headers or {}))
    unknown = refusal.detail == SHOW_A_KEY
    reason = "Event key not found" if unknown else f"Event key not found: {refusal.detail}"
    return refused(HTTPStatus(refusal.status_code), reason, dict(refusal.headers or {}))


def refused(status: HTTPStatus, reason: str, headers: dict[str, str] | None = None) -> JSONResponse:
    body: dict[str, object] = {"ids": [""], "status": int(status), "error": reason}
    if status is HTTPStatus.UNAUTHORIZED:
        body = {"status": int(status), "message": "", "error": reason}
    # what was not read of a body is not read any more
    return JSONResponse(body, status, {**HEADERS, "connection": "close", **(headers or {})})
