"""Who wants a page: browsers ask for HTML, apps for JSON, and some addresses serve both."""

from typing import Any

from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.routing import Match

APPS_ONLY = ("/e/", "/v1/", "/api/")  # even a browser is an app there


def wants_page(path: str, accept: str) -> bool:
    """Whether the answer should be a page; what takes anything (curl, an app) gets JSON."""
    return "text/html" in accept and not path.startswith(APPS_ONLY)


class PageRoute(APIRoute):
    """A route whose address serves JSON as well: it is there only for those who want a page."""

    def matches(self, scope: Any) -> tuple[Match, Any]:
        if scope["type"] != "http" or not wants_page(scope["path"], Headers(scope=scope).get("accept", "")):
            return Match.NONE, {}
        return super().matches(scope)
