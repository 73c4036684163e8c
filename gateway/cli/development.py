"""dev: the whole of Rowline on this machine, up and down in one command."""

import typer

from gateway.cli.output import console, out
from gateway.development import Development, log_tail
from pipelines.failures import RowlineFailure
from resources.settings import load_settings


def register(app: typer.Typer) -> None:
    app.command()(dev)


def dev() -> None:
    """Start the database, Dagster's UI and daemon; Ctrl-C stops all of it."""
    settings = load_settings()
    with Development.started(settings) as running:
        with console.status("Starting…"):
            running.wait_until_ready()
        out.print("[bold]Rowline is up.[/bold] Ctrl-C stops it.")
        out.print(f"  Dagster UI   {running.url}")
        out.print(f"  Inbox        {settings.inbox}/<organization>/", markup=False)
        if settings.object_store and settings.object_store.startswith("s3://"):
            out.print(f"               {settings.object_store.rstrip('/')}/inbox/<organization>/", markup=False)
        out.print(f"  Data         {settings.rowline_home}", markup=False)
        out.print(f"  Log          {running.log}", markup=False)
        out.print("  Try          rowline upload FILE --org acme --wait", markup=False)
        code = running.wait()
        tail = log_tail(running.log)
    if code:
        raise RowlineFailure(f"Dagster ended by itself (exit code {code}). Its last words:\n{tail}")
    out.print("Rowline is down.")
