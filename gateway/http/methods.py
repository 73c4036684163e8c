"""Methods that no route says itself: HEAD is GET without its body, OPTIONS and a refusal name what there is."""

from http import HTTPMethod

from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ASKED = (HTTPMethod.GET, HTTPMethod.HEAD, HTTPMethod.POST, HTTPMethod.PUT, HTTPMethod.PATCH, HTTPMethod.DELETE)


class HeadRequests:
    """Answers HEAD as GET is answered, with the body left away."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != HTTPMethod.HEAD:
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": HTTPMethod.GET.value}, receive, without_body)


def allowed(request: Request) -> list[str]:
    """The methods that some route takes at the request's address."""

    def taken(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    found = [method.value for method in ASKED if taken(method)]
    return sorted({*found, HTTPMethod.HEAD.value} if HTTPMethod.GET.value in found else found)
