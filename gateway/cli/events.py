"""send: an event by hand, accepted as one over HTTP is."""

import json
import sys
from typing import Annotated

import typer

from gateway.cli.output import Json, out, print_json, use_services


def register(app: typer.Typer) -> None:
    app.command()(send)


def send(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The event's name, such as document/process.")],
    data: Annotated[str, typer.Argument(metavar="JSON", help="Its data, a JSON object; - reads it from stdin.")] = "{}",
    org: Annotated[
        str | None, typer.Option("--org", help="The organization of the event; unset: DEFAULT_ORGANIZATION.")
    ] = None,
    identity: Annotated[str | None, typer.Option("--id", help="The same id within 24 hours has one effect.")] = None,
    as_json: Json = False,
) -> None:
    """Send an event; the functions that it starts run in the background."""
    from domain.documents.identifiers import checked_name
    from domain.events.parsing import parse_json
    from domain.events.registry import functions_of
    from operations.events.intake import ingest_events

    fields = {"name": event, "data": parse_json(sys.stdin.read() if data == "-" else data), "id": identity}
    with use_services() as services:
        organization = checked_name("Organization", org or services.settings.default_organization)
        (event_id,) = ingest_events(services.ledger, organization, json.dumps(fields).encode())
        runs = services.ledger.events.runs(organization, event_id)
    if as_json:
        shown = [{"runId": run.run_id, "function": run.function} for run in runs]
        print_json({"eventId": event_id, "organizationId": organization, "runs": shown})
        return
    out.print(f"{event_id}  {event} of {organization}", markup=False)
    for run in runs:
        out.print(f"  starts {run.function}, run {run.run_id}", markup=False)
    if not functions_of(event):
        out.print("  No function is started by an event of this name; it is stored and listed", markup=False)
