"""How long and how large a request may be, before any route looks at it."""

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
    """Refuses what is too large, and what stands still.

    Time is counted from one sign of life to the next: a slow upload goes on as long as something comes, an answer that
    has begun as long as somebody reads it. Routes with limits of their own count bytes themselves (`has_own_limit`).
    """

    def __init__(self, app: ASGIApp, body_bytes: int, seconds: float) -> None:
        self._app, self._bytes, self._seconds = app, body_bytes, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = None if has_own_limit(scope) else self._bytes
        if reason := too_large(scope, most):
            await refusal(scope, *reason)(scope, receive, send)
            return
        passage = RequestScope(scope, receive, send, most, self._seconds)
        try:
            async with asyncio.timeout(self._seconds) as passage.deadline:
                await self._app(scope, passage.receive, passage.send)
        except TimeoutError:
            if not passage.deadline.expired():
                raise
            if not passage.answered:
                await refusal(scope, *passage.reason())(scope, receive, send)


class RequestScope:
    """One request on its way through."""

    deadline: asyncio.Timeout

    def __init__(self, scope: Scope, receive: Receive, send: Send, most: int | None, seconds: float) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._most, self._seconds = most, seconds
        self._received, self._waits_for_client = 0, False
        self.answered = False

    async def receive(self) -> Message:
        if self.answered:  # nobody asks for more but to learn that the client has left
            return await self._receive()
        self._again()
        self._waits_for_client = True
        message = await self._receive()
        self._waits_for_client = False
        self._again()
        self._received += len(message.get("body", b""))
        if self._most is not None and self._received > self._most:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_many_bytes(self._most))
        return message

    async def send(self, message: Message) -> None:
        self.answered = True
        self._again()
        await self._send(message)
        self.deadline.reschedule(None)  # a stream may be silent; only a reader may not stand still

    def reason(self) -> tuple[HTTPStatus, str]:
        if self._waits_for_client:
            return HTTPStatus.REQUEST_TIMEOUT, f"Nothing more came within {self._seconds:g} s; send the request again"
        return HTTPStatus.SERVICE_UNAVAILABLE, f"No answer within {self._seconds:g} s; ask again later what came of it"

    def _again(self) -> None:
        self.deadline.reschedule(asyncio.get_running_loop().time() + self._seconds)


def has_own_limit(scope: Scope) -> bool:
    """Whether the route counts bytes itself: events by their own rule, uploads by MAX_UPLOAD_BYTES."""
    path = str(scope["path"])
    return str(scope["method"]) == "POST" and (path.startswith("/e/") or path in UPLOADS)


def too_large(scope: Scope, most: int | None) -> tuple[HTTPStatus, str] | None:
    """What is wrong with the request before its body, and the sentence for it."""
    headers = scope["headers"]
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > TARGET_BYTES:
        return HTTPStatus.REQUEST_URI_TOO_LONG, f"The address has more than {TARGET_BYTES:,} bytes; send a body instead"
    if len(headers) > HEADERS or sum(len(name) + len(value) for name, value in headers) > HEADER_BYTES:
        return (
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"A request has {HEADERS} headers and {HEADER_BYTES:,} bytes of them at most",
        )
    length = next((value for name, value in headers if name == b"content-length"), b"0")
    if most is not None and (len(length) > 18 or (length.isdigit() and int(length) > most)):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_many_bytes(most)
    return None


def _too_many_bytes(most: int) -> str:
    return f"The body has more than {most:,} bytes, which is the most that this route takes"


def refusal(scope: Scope, status: int, detail: str) -> Response:
    """A refusal in the language of the route: the event API has its own. The connection ends with it."""
    headers = {"Connection": "close"}
    if scope["path"].startswith(SPEAK_EVENT_API):
        return JSONResponse({"error": detail, "status": status}, status, headers)
    return problem(status, detail, headers)
