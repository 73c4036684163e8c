"""gateway: the HTTP server of events, documents and pages."""

import typer

from resources.settings import load_settings


def register(app: typer.Typer) -> None:
    app.command()(gateway)


def gateway() -> None:
    """Serve the event API, documents and pages over HTTP."""
    import uvicorn

    settings = load_settings()
    uvicorn.run("gateway.http.app:app", factory=True, host=settings.gateway_host, port=settings.gateway_port)
