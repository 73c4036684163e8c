"""The log of requests: a line for each, and the traceback of unexpected exceptions."""

import logging
import re
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.access.api_keys import Caller
from gateway.http.problems import unexpected_error
from gateway.http.routes.metrics import observe

REQUEST_ID = "X-Request-Id"
_GOOD_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

log = logging.getLogger("rowline.gateway.http")


class RequestLog:
    """Assigns an id to each request, logs a line about it, and answers unexpected exceptions."""

    def __init__(self, app: ASGIApp, clock: Callable[[], float] = time.perf_counter) -> None:
        self._app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        request_id = choose_id(request.headers.get(REQUEST_ID))
        request.state.request_id = request_id
        status, started = 0, self._clock()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(requestId=request_id):
            try:
                await self._app(scope, receive, answer)
            except Exception:  # the last boundary: the client gets an answer, and the log the traceback
                log.exception("a request failed unexpectedly", extra=log_fields(scope))
                if status == 0:
                    await unexpected_error(request, request_id)(scope, receive, answer)
            finally:
                elapsed = self._clock() - started
                observe(scope["method"], route_template(scope), status, elapsed)
                level = logging.ERROR if status >= 500 else logging.DEBUG if is_quiet(scope) else logging.INFO
                log.log(
                    level,
                    "request",
                    extra={**log_fields(scope), "status": int(status), "milliseconds": round(elapsed * 1000, 1)},
                )


def choose_id(offered: str | None) -> str:
    """The caller's own id if it is well formed, else a new one."""
    return offered if offered and _GOOD_ID.fullmatch(offered) else uuid4().hex


def route_template(scope: Scope) -> str:
    """The template of the route, never the path: it names no key and there are few of them."""
    return getattr(scope.get("route"), "path", None) or "(none)"


def is_quiet(scope: Scope) -> bool:
    """Whether machines request it all the time."""
    return route_template(scope).startswith(("/health", "/metrics"))


def log_fields(scope: Scope) -> dict[str, Any]:
    """Fields of a request's log line: the route, the caller, the document or run."""
    caller = scope.get("state", {}).get("caller")
    fields: dict[str, Any] = {"method": scope["method"], "route": route_template(scope)}
    if isinstance(caller, Caller):
        fields |= {"organizationId": caller.organization_id, "keyId": caller.key_id}
    params = scope.get("path_params", {})
    if document_id := scope.get("state", {}).get("document_id"):  # of an upload, whose path names none
        fields["documentId"] = document_id
    fields |= {name: params[name] for name in ("documentId", "runId", "eventId") if name in params}
    return fields
