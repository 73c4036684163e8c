"""The HTTP app: lists of routers, no decisions."""

from fastapi import FastAPI

from gateway.http import keys, problems
from gateway.http.limits import Limits
from resources.services import Services, open_services


def create_app(services: Services) -> FastAPI:
    """The gateway over one deployment's services, which its owner closes."""
    app = FastAPI(
        title="Rowline",
        version="0.1.0",
        description="Documents go in, searchable vectors come out, and every vector can name the row it came from.",
        docs_url=None,  # the pages of FastAPI load their scripts from elsewhere
        redoc_url=None,
    )
    app.state.services = services
    app.state.limits = Limits(services.settings)
    problems.register(app)
    for noun in (keys,):
        app.include_router(noun.router)
    return app


def app() -> FastAPI:
    """What a server process loads: the app over the services that the settings choose."""
    return create_app(open_services())
