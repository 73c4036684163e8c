"""Refusals and failures as pages, for those who read pages; apps get the problem document that it is made from."""

import json
from typing import Any
from urllib.parse import quote

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.access.api_keys import Caller
from gateway.http.problems import MEDIA_TYPE
from gateway.pages.content_negotiation import wants_page
from gateway.pages.navigation import menu_of
from gateway.pages.rendering import page

KNOWN = (400, 403, 404, 405, 409, 413, 422, 429, 500, 503)
OF_THE_DOCUMENT = ("content-type", "content-length")


class ErrorPages:
    """Stands before everything that refuses, so that a browser is never shown JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not wants_page(scope["path"], Headers(scope=scope).get("accept", "")):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def send_page(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and is_problem(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    answer = error_page(Request(scope), start["status"], json.loads(body))
                    keep_headers(answer, start)
                    await answer(scope, receive, send)

        await self._app(scope, receive, send_page)


def is_problem(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type", "").startswith(MEDIA_TYPE)


def keep_headers(answer: Response, start: Message) -> None:
    """What the refusal says beside its document: when to try again, the request's id."""
    headers = MutableHeaders(raw=answer.raw_headers)
    for name, value in Headers(raw=start["headers"]).items():
        if name not in OF_THE_DOCUMENT:
            headers.setdefault(name, value)
    answer.raw_headers = headers.raw


def error_page(request: Request, status: int, problem: dict[str, Any]) -> Response:
    """The page of a problem document. Who is not signed in is asked to, and comes back to where they were going."""
    if status == 401:
        going = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        return RedirectResponse(f"/sign-in?next={quote(going if request.method == 'GET' else '/')}", 303)
    caller: Caller | None = getattr(request.state, "caller", None)
    if status == 403 and request.url.path == "/" and (menu := menu_of(caller)):
        return RedirectResponse(menu[0].address, 303)  # the start of who has not the role of the documents
    known = str(status) if status in KNOWN else "other"
    return page(request, "error.html", caller, status, status=status, known=known, detail=problem["detail"])
