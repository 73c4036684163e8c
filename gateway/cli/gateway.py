"""gateway: the HTTP server of events, documents and pages."""

import logging
from typing import Annotated

import typer

from gateway.cli.output import out
from gateway.server.supervisor import SHUTDOWN_TIMEOUT_SECONDS
from settings.renamed import rename_warning
from settings.settings import load_settings, old_names


def register(app: typer.Typer) -> None:
    app.command()(gateway)


def gateway(
    fd: Annotated[
        int | None, typer.Option("--fd", help="A listening socket that is already open, as systemd passes it (3).")
    ] = None,
    graceful_timeout: Annotated[
        int, typer.Option(min=0, help="Seconds that requests under way have to finish when a worker stops.")
    ] = SHUTDOWN_TIMEOUT_SECONDS,
) -> None:
    """Serve the event API, documents and pages over HTTP. SIGHUP replaces its workers without a gap."""
    from gateway.server.logging import configure
    from gateway.server.supervisor import Supervisor, listening

    settings = load_settings()
    configure(settings)
    for old, new in old_names().items():
        logging.getLogger("rowline.gateway").warning(rename_warning(old, new))
    listener = listening(settings, fd)
    host, port = listener.getsockname()[:2]
    out.print(f"The gateway listens on http://{host}:{port}", markup=False)
    Supervisor(listener, settings, graceful_timeout).run()
