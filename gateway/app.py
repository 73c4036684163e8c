"""The HTTP app: lists of routers, no decisions."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from importlib.metadata import version

from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool

from domain.errors import RowlineError
from gateway.http import methods, openapi, problems
from gateway.http.auth.rate_limits import RateLimits
from gateway.http.middleware.request_log import RequestLog
from gateway.http.middleware.security_headers import SecuredApp, guard
from gateway.http.routes import (
    documents,
    events,
    functions,
    health,
    keys,
    lineage,
    maintenance,
    metrics,
    notifications,
    runs,
    search,
    uploads,
)
from gateway.http.unknown_parameters import reject_unknown_parameters
from gateway.pages import routes as pages
from gateway.pages.errors import ErrorPages
from operations.services import Services, open_services

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
NOUNS = (keys, uploads, documents, maintenance, search, lineage, notifications)
THEIRS = (health, metrics, events, runs, functions)  # probes and SDKs may add parameters of their own


def create_app(services: Services, lifespan: Lifespan | None = None) -> FastAPI:
    """The gateway over one deployment's services; the caller closes these."""
    app = SecuredApp(
        title="Rowline",
        version=version("rowline"),
        description="Documents go in, searchable vectors come out, and every vector can name the row it came from.",
        docs_url=None,  # the pages of FastAPI load their scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=openapi.operation_id,
    )
    app.state.services = services
    app.state.limits = RateLimits(services.settings)
    guard(app, services.settings)
    problems.register(app)
    pages.register(app)
    for noun in NOUNS:
        app.include_router(
            noun.router, dependencies=[Depends(reject_unknown_parameters)], responses=problems.problem_responses(422)
        )
    for noun in THEIRS:
        app.include_router(noun.router)
    openapi.describe(app)
    app.add_middleware(methods.HeadRequests)
    app.add_middleware(RequestLog)  # the last one added is the first to see a request
    app.add_middleware(ErrorPages)
    return app


def app() -> FastAPI:
    """What a server process loads: the app over the services that the settings choose, closed when it ends."""
    services = open_services()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with suppress(RowlineError):  # if the database is unavailable now, each request tries again
            await run_in_threadpool(lambda: services.ledger)
        try:
            yield
        finally:
            await run_in_threadpool(services.close)

    return create_app(services, lifespan)
