"""process · db upgrade: the document graph in this process without a daemon, and migrations."""

from typing import Annotated

import typer

from gateway.cli.documents import read_status, show_status
from gateway.cli.output import Json, console, out, print_json, use_services


def register(app: typer.Typer) -> None:
    app.command()(process)
    database = typer.Typer(help="The database.", no_args_is_help=True)
    database.command("upgrade")(upgrade)
    app.add_typer(database, name="db")


def process(
    document: Annotated[str, typer.Argument(metavar="DOC", help="A document id.")], as_json: Json = False
) -> None:
    """Run the document's graph in this process, through Dagster: for scripts, tests and CI."""
    with use_services() as services:
        before = services.ledger.documents.latest(document)
        with console.status(f"Processing {before.filename}…"):
            from pipelines.local_runs import run_document_graph

            run = run_document_graph(document, services)
        version = services.ledger.documents.get(document, before.version)
        status = read_status(services, version)
    if as_json:
        print_json(status.to_json())
    else:
        show_status(status)
    if not run.success and version.status == "completed":  # it was completed before, and still is
        console.print(f"✗ The run failed; run {run.run_id[:8]} in Dagster has the details", markup=False)
    if not run.success or (version.status != "completed" and not version.waiting_reason):
        raise typer.Exit(1)


def upgrade(
    grant_to: Annotated[
        str | None, typer.Option(metavar="ROLE", help="Grant this role reading and writing of all tables, and no more.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Apply the newest migrations, and make Dagster's own tables (also done at every start)."""
    from resources.dagster_instance.storage import create_tables
    from resources.database.grants import grant
    from resources.database.schema import branches_of, schema_is_current, upgrade
    from resources.database.urls import direct_setting, direct_url
    from settings.settings import load_settings

    settings = load_settings()
    url, branches, setting = direct_url(settings), branches_of(settings), direct_setting(settings)
    outdated = not schema_is_current(url, branches, setting)
    if outdated:
        upgrade(url, branches, setting)
    create_tables(url, setting)
    if grant_to:
        grant(url, grant_to, setting)
    if as_json:
        print_json({"migrated": outdated, "grantedTo": grant_to})
        return
    out.print(f"The database {'was migrated to' if outdated else 'is at'} the newest migration.")
    if grant_to:
        out.print(f"Role {grant_to} may read and write all tables.", markup=False)
