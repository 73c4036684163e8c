"""Puts the pages into the app: lists of routers, no decisions."""

from fastapi import FastAPI

from gateway.pages import changing, document, documents, events, search, signing
from gateway.pages.rendering import KeptFiles, static_folder

ROUTERS = (
    signing.router,
    documents.router,
    document.router,
    changing.router,
    search.router,
    events.router,
    events.shared,
)


def register(app: FastAPI) -> None:
    """Before the routers for apps: where both have an address, a browser gets the page."""
    app.mount("/static", KeptFiles(directory=static_folder()), "static")
    for router in ROUTERS:
        app.include_router(router)
