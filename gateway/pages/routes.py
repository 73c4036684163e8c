"""Puts the pages into the app: lists of routers, no decisions."""

from fastapi import FastAPI

from gateway.pages import actions, document, documents, error_codes, events, search, sign_in
from gateway.pages.rendering import CachedFiles, static_folder

ROUTERS = (
    sign_in.router,
    documents.router,
    document.router,
    actions.router,
    search.router,
    events.router,
    events.shared,
    error_codes.router,
)


def register(app: FastAPI) -> None:
    """Before the routers for apps: where both have an address, a browser gets the page."""
    app.mount("/static", CachedFiles(directory=static_folder()), "static")
    for router in ROUTERS:
        app.include_router(router)
