"""Signing in with a key, signing out, and the choice of a language."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Query, Request
from starlette.responses import RedirectResponse, Response

from gateway.http.auth.callers import OurServices, check_same_origin
from gateway.http.auth.sessions import sign_in, sign_out
from gateway.pages.localization import LANGUAGE_COOKIE, LANGUAGES
from gateway.pages.rendering import page

router = APIRouter(include_in_schema=False)
YEAR_SECONDS = 365 * 24 * 3600
LONGEST_KEY = 200
Next = Annotated[str, Form(max_length=2000)]


def own_page(path: str) -> str:
    """Where to go on: an address of ours, never one that leads elsewhere."""
    leads_away = not path.startswith("/") or path.startswith(("//", "/\\")) or not path.isprintable()
    return "/" if leads_away else path


@router.get("/sign-in")
def sign_in_page(request: Request, next: Annotated[str, Query(max_length=2000)] = "/") -> Response:
    return page(request, "sign-in.html", None, next=own_page(next), refused=None)


@router.post("/sign-in")
def show_key(
    request: Request,
    services: OurServices,
    key: Annotated[str, Form(max_length=LONGEST_KEY)] = "",
    next: Next = "/",
) -> Response:
    response = RedirectResponse(own_page(next), 303)
    try:
        sign_in(request, response, services, key)
    except HTTPException as refusal:
        refused = {"unknown": refusal.status_code == 401, "detail": refusal.detail}
        return page(request, "sign-in.html", None, refusal.status_code, next=own_page(next), refused=refused)
    return response


@router.post("/sign-out")
def leave(request: Request, services: OurServices) -> Response:
    response = RedirectResponse("/sign-in", 303)
    sign_out(request, response, services)
    return response


@router.post("/language")
def choose_language(request: Request, language: Annotated[str, Form(max_length=8)], next: Next = "/") -> Response:
    check_same_origin(request)
    response = RedirectResponse(own_page(next), 303)
    if language in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR_SECONDS, samesite="lax", httponly=True)
    return response
