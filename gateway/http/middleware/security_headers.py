"""Rules for every request: allowed hosts and origins, limits, and headers of all answers."""

from collections.abc import Sequence
from typing import Final

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gateway.http.middleware.request_limits import RequestLimits, refusal
from settings.settings import Settings

EVENTS = "/e/"  # pages of any origin may send events, by the key in the path
PROBES = "/health"  # requested by IP address, without a host name
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS: Final = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that know no frame-ancestors
    "Referrer-Policy": "same-origin",  # no-referrer would remove Origin from our own forms, which the CSRF check needs
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
TLS_ONLY = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "X-Request-Id")
RESPONSE_HEADERS = (
    "Content-Disposition",
    "ETag",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-Id",
)


class SecuredApp(FastAPI):
    """An app whose answers, those to unexpected exceptions too, have the security headers."""

    guarded_by: Settings

    def build_middleware_stack(self) -> ASGIApp:
        app: ASGIApp = AnswerHeaders(super().build_middleware_stack())
        proxies = self.guarded_by.proxies
        return ProxyHeadersMiddleware(app, proxies) if proxies else app  # type: ignore[arg-type, return-value]


def guard(app: SecuredApp, settings: Settings) -> None:
    """Add the middleware before the routes. Middleware that is added later (the log) is outside and sees its errors."""
    app.guarded_by = settings
    app.add_middleware(RequestLimits, body_bytes=settings.max_request_bytes, seconds=settings.request_timeout_seconds)
    app.add_middleware(Origins, origins=settings.origins_allowed)
    if settings.hosts_allowed:
        app.add_middleware(Hosts, allowed=settings.hosts_allowed)


class AnswerHeaders:
    """Adds headers that an answer does not have."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                more = TLS_ONLY if scope["scheme"] == "https" else {}
                for name, value in {**HEADERS, **more, **state.get("rate_limit", {})}.items():
                    headers.setdefault(name, value)
                if "etag" not in headers:  # an answer to one caller must not be cached for others
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, sent)


class Origins:
    """Pages of the listed origins may call the API, those of any origin may send events; never with cookies."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._open = CORSMiddleware(app, allow_origins=["*"], allow_methods=["POST"], allow_headers=["*"])
        self._named: ASGIApp = app
        if origins:
            self._named = CORSMiddleware(
                app,
                allow_origins=origins,
                allow_methods=METHODS,
                allow_headers=REQUEST_HEADERS,
                expose_headers=RESPONSE_HEADERS,
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        events = scope["type"] == "http" and scope["path"].startswith(EVENTS)
        await (self._open if events else self._named)(scope, receive, send)


class Hosts:
    """Answers under its own host names only: a foreign page can let its name point here (DNS rebinding)."""

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        self._app = app
        self._names = {name for name in allowed if not name.startswith("*.")}
        self._ends = tuple(name[1:] for name in allowed if name.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(PROBES):
            host = _without_port(Headers(scope=scope).get("host", ""))
            if host not in self._names and not host.endswith(self._ends or ("\0",)):
                answer = refusal(scope, 400, "This is no host name of the gateway; ALLOWED_HOSTS lists them")
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _without_port(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() else host.lower()
