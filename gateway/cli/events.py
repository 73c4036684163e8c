"""send: an event by hand, on the same way as one over HTTP."""

import json
import sys
from typing import Annotated

import typer

from gateway.cli.output import Json, opened, out, print_json


def register(app: typer.Typer) -> None:
    app.command()(send)


def send(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The event's name, such as document/process.")],
    data: Annotated[str, typer.Argument(metavar="JSON", help="Its data, a JSON object; - reads it from stdin.")] = "{}",
    org: Annotated[str | None, typer.Option("--org", help="Whose event it is; unset: DEFAULT_ORGANIZATION.")] = None,
    identity: Annotated[str | None, typer.Option("--id", help="The same id within 24 hours has one effect.")] = None,
    as_json: Json = False,
) -> None:
    """Send an event; what it starts goes on in the background."""
    from domain.documents.identifiers import checked_name
    from domain.events.parsing import parsed
    from domain.events.registry import functions_of
    from operations.events.intake import ingest_events

    sent = {"name": event, "data": parsed(sys.stdin.read() if data == "-" else data), "id": identity}
    with opened() as services:
        organization = checked_name("Organization", org or services.settings.default_organization)
        (event_id,) = ingest_events(services.ledger, organization, json.dumps(sent).encode())
        runs = services.ledger.events.runs(organization, event_id)
    if as_json:
        started = [{"runId": run.run_id, "function": run.function} for run in runs]
        print_json({"eventId": event_id, "organizationId": organization, "runs": started})
        return
    out.print(f"{event_id}  {event} of {organization}", markup=False)
    for run in runs:
        out.print(f"  starts {run.function}, run {run.run_id}", markup=False)
    if not functions_of(event):
        out.print("  Nothing is started by an event of this name; it is kept and shown", markup=False)
