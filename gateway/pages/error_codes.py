"""What each error code means and what to do: the page that the `type` of a problem document leads to."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from domain.error_catalog import PATH, SECTIONS
from gateway.pages.rendering import page

router = APIRouter(include_in_schema=False)


@router.get(PATH)
def error_codes_page(request: Request) -> Response:
    """For anybody: it says nothing about this deployment."""
    return page(request, "error-codes.html", None, 200, sections=SECTIONS)
