"""From a template to an answer: what every page is given, and the files that it loads."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from domain.access.api_keys import Caller
from gateway.pages.localization import language_of
from gateway.pages.navigation import menu_of


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("gateway.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["printable"] = printable
    made.filters["code_spans"] = code_spans
    return made


def printable(text: str) -> str:
    """What apps send may hold what no page can: NUL, and halves of letters."""
    return text.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode()


def code_spans(text: str) -> Markup:
    """A sentence in which `words like these` are code."""
    parts = text.split("`")
    return Markup("").join(
        Markup('<span class="code">{}</span>').format(part) if index % 2 else part for index, part in enumerate(parts)
    )


def page(request: Request, template: str, caller: Caller | None, code: int = 200, /, **values: Any) -> HTMLResponse:
    """A page in its reader's language. Nobody between us and the reader keeps it."""
    language = language_of(request)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    body = (
        environment()
        .get_template(template)
        .render(
            lang=language,
            t=language.say,
            caller=caller,
            menu=menu_of(caller),
            here=here,
            path=request.url.path,
            asset=asset,
            now=datetime.now(UTC),
            **values,
        )
    )
    return HTMLResponse(body, code, {"Vary": "Accept, Accept-Language, Cookie"})


def static_folder() -> Path:
    return Path(str(files("gateway.pages").joinpath("static")))


@cache
def asset(name: str) -> str:
    """The address of a static file, which changes with its content, so that browsers may keep it for ever."""
    digest = hashlib.sha256((static_folder() / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


class CachedFiles(StaticFiles):
    """Static files; one that is asked for by its digest never changes."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200 and b"v=" in scope["query_string"]:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
