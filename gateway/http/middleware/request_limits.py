"""Limits on the size and duration of requests, applied before any route."""

import asyncio
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.problems import problem

HEADERS, HEADER_BYTES, TARGET_BYTES = 100, 32 * 2**10, 16 * 2**10
SPEAK_EVENT_API = ("/e/", "/v1/")
UPLOADS = ("/documents", "/upload")  # of apps, and of the page


class RequestLimits:
    """Refuses requests that are too large, and those that make no progress.

    The timeout starts again with each chunk: a slow upload continues as long as data arrives, an answer as long as the
    client reads it. Routes with limits of their own count bytes themselves (`has_own_limit`).
    """

    def __init__(self, app: ASGIApp, body_bytes: int, seconds: float) -> None:
        self._app, self._bytes, self._seconds = app, body_bytes, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = None if has_own_limit(scope) else self._bytes
        if reason := too_large(scope, limit):
            await refusal(scope, *reason)(scope, receive, send)
            return
        request_scope = RequestScope(scope, receive, send, limit, self._seconds)
        try:
            async with asyncio.timeout(self._seconds) as request_scope.deadline:
                await self._app(scope, request_scope.receive, request_scope.send)
        except TimeoutError:
            if not request_scope.deadline.expired():
                raise
            if not request_scope.answered:
                await refusal(scope, *request_scope.reason())(scope, receive, send)


class RequestScope:
    """The counts and the deadline of one request."""

    deadline: asyncio.Timeout

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int | None, seconds: float) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._limit, self._seconds = limit, seconds
        self._received, self._waits_for_client = 0, False
        self.answered = False

    async def receive(self) -> Message:
        if self.answered:  # the app only waits for the disconnect now
            return await self._receive()
        self._extend_deadline()
        self._waits_for_client = True
        message = await self._receive()
        self._waits_for_client = False
        self._extend_deadline()
        self._received += len(message.get("body", b""))
        if self._limit is not None and self._received > self._limit:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_many_bytes(self._limit))
        return message

    async def send(self, message: Message) -> None:
        self.answered = True
        self._extend_deadline()
        await self._send(message)
        self.deadline.reschedule(None)  # a stream may pause; only a stalled client is cut off

    def reason(self) -> tuple[HTTPStatus, str]:
        if self._waits_for_client:
            return HTTPStatus.REQUEST_TIMEOUT, f"Nothing more came within {self._seconds:g} s; send the request again"
        return HTTPStatus.SERVICE_UNAVAILABLE, f"No answer within {self._seconds:g} s; see later whether it took effect"

    def _extend_deadline(self) -> None:
        self.deadline.reschedule(asyncio.get_running_loop().time() + self._seconds)


def has_own_limit(scope: Scope) -> bool:
    """Whether the route counts bytes itself: events by their own rule, uploads by MAX_UPLOAD_BYTES."""
    path = str(scope["path"])
    return str(scope["method"]) == "POST" and (path.startswith("/e/") or path in UPLOADS)


def too_large(scope: Scope, limit: int | None) -> tuple[HTTPStatus, str] | None:
    """The status and detail for a request that is too large by its first line and headers; None if it is not."""
    headers = scope["headers"]
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > TARGET_BYTES:
        return HTTPStatus.REQUEST_URI_TOO_LONG, f"The address has more than {TARGET_BYTES:,} bytes; send a body instead"
    if len(headers) > HEADERS or sum(len(name) + len(value) for name, value in headers) > HEADER_BYTES:
        return (
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"A request has {HEADERS} headers and {HEADER_BYTES:,} bytes of them at most",
        )
    length = next((value for name, value in headers if name == b"content-length"), b"0")
    if limit is not None and (len(length) > 18 or (length.isdigit() and int(length) > limit)):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_many_bytes(limit)
    return None


def _too_many_bytes(limit: int) -> str:
    return f"The body has more than {limit:,} bytes, which is the limit of this route"


def refusal(scope: Scope, status: int, detail: str) -> Response:
    """An error in the format of the route: the event API has its own. The connection is closed."""
    headers = {"Connection": "close"}
    if scope["path"].startswith(SPEAK_EVENT_API):
        return JSONResponse({"error": detail, "status": status}, status, headers)
    return problem(status, detail, headers)
