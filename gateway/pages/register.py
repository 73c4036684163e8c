"""Puts the pages into the app: lists of routers, no decisions."""

from fastapi import FastAPI

from gateway.pages import changing, document, documents, search, signing
from gateway.pages.rendering import KeptFiles, static_folder


def register(app: FastAPI) -> None:
    """Before the routers for apps: where both have an address, a browser gets the page."""
    app.mount("/static", KeptFiles(directory=static_folder()), "static")
    for router in (signing.router, documents.router, document.router, changing.router, search.router):
        app.include_router(router)
