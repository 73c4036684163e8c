"""keys: made, listed, revoked."""

from typing import Annotated

import typer

from gateway.cli.output import Json, Org, opened, out, print_json
from pipelines.access.keys import checked_roles, mint_key
from pipelines.documents.addresses import checked_name

app_of_keys = typer.Typer(name="keys", help="Keys of organizations for the gateway.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(app_of_keys)


@app_of_keys.command()
def create(
    org: Org,
    role: Annotated[list[str], typer.Option("--role", help="events, upload, search or admin; may be given again.")],
    label: Annotated[str, typer.Option(help="What the key is for.")] = "",
    employee: Annotated[str | None, typer.Option(help="Search only what this employee may see.")] = None,
    as_json: Json = False,
) -> None:
    """Make a key; it is shown once."""
    roles = checked_roles(role)
    organization = checked_name("Organization", org)
    key = mint_key()
    with opened() as services:
        services.ledger.keys.put(key, organization, label, roles, employee)
    if as_json:
        print_json({"keyId": key.key_id, "key": key.text, "organizationId": organization, "roles": sorted(roles)})
    else:
        out.print(f"{key.text}\nKeep it now: it is not shown again.", markup=False)
