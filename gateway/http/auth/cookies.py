"""The cookie of a browser's session: its name and its value."""

from fastapi import Request

from settings.values import is_loopback

COOKIE = "rowline_session"
GUARDED = "__Host-"  # browsers accept this prefix only with Secure, for this host and the whole of it


def session_token(request: Request) -> str | None:
    return request.cookies.get(cookie_name(request))


def cookie_name(request: Request) -> str:
    return f"{GUARDED}{COOKIE}" if is_guarded(request) else COOKIE


def is_guarded(request: Request) -> bool:
    """Whether the cookie is sent over TLS only: everywhere but on this computer."""
    return request.url.scheme == "https" or not is_loopback(request.url.hostname or "")
