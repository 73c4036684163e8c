"""dev: starts and stops all of Rowline on this machine."""

import typer

from gateway.cli.output import console, out
from gateway.server.dev_stack import Development
from settings.renamed import rename_warning
from settings.settings import load_settings, old_names


def register(app: typer.Typer) -> None:
    app.command()(dev)


def dev() -> None:
    """Start the database, the gateway, Dagster's UI and daemon; Ctrl-C stops all of it."""
    settings = load_settings()
    for old, new in old_names().items():
        console.print(f"! {rename_warning(old, new)}", markup=False, soft_wrap=True)
    with Development.started(settings) as running:
        with console.status("Starting…"):
            running.wait_until_ready()
        out.print("[bold]Rowline is up.[/bold] Ctrl-C stops it.")
        out.print(f"  Pages        {running.gateway.url}", markup=False)
        out.print(f"  Events       {running.gateway.url}/e/<key>", markup=False)
        out.print(f"  Dagster UI   {running.dagster.url}", markup=False)
        out.print(f"  Inbox        {settings.inbox}/<organization>/", markup=False)
        if settings.object_store and settings.object_store.startswith("s3://"):
            out.print(f"               {settings.object_store.rstrip('/')}/inbox/<organization>/", markup=False)
        out.print(f"  Data         {settings.rowline_home}", markup=False)
        out.print(f"  Logs         {running.gateway.log}, {running.dagster.log.name}", markup=False)
        organization = settings.default_organization  # whose documents the pages show
        out.print(f"  Try          rowline upload FILE --org {organization} --wait", markup=False)
        running.keep(lambda line: console.print(f"! {line}", markup=False, soft_wrap=True))
        console.print("Stopping…", markup=False)
    out.print("Rowline is down.")
