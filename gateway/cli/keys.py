"""keys: create, list, rotate, revoke."""

from datetime import timedelta
from typing import Annotated

import typer
from rich.table import Table

from domain.access.api_keys import NewKey, checked_rights, mint_key
from domain.documents.identifiers import checked_name
from domain.errors import NotFound
from gateway.cli.output import Json, Org, console, out, print_json, use_services
from gateway.schemas import keys as schemas
from resources.ledger.access.api_keys import GRACE, Key

app_of_keys = typer.Typer(name="keys", help="Keys of organizations for the gateway.", no_args_is_help=True)
KeyId = Annotated[str, typer.Argument(help="The key's id, as `rowline keys list` names it.")]
OfOrg = Annotated[str | None, typer.Option("--org", help="Only if the key is this organization's.")]


def register(app: typer.Typer) -> None:
    app.add_typer(app_of_keys)


@app_of_keys.command()
def create(
    org: Org,
    role: Annotated[list[str], typer.Option("--role", help="events, upload, search or admin; may be repeated.")],
    label: Annotated[str, typer.Option(help="What the key is for.")] = "",
    employee: Annotated[str | None, typer.Option(help="Search only what this employee may see.")] = None,
    expires: Annotated[int | None, typer.Option(min=1, max=3650, help="Days after which the key ends.")] = None,
    as_json: Json = False,
) -> None:
    """Create a key; it is shown once."""
    roles = checked_rights(role, employee)
    organization = checked_name("Organization", org)
    with use_services() as services:
        if not services.ledger.api_keys.is_known(organization):
            console.print(f"Nothing is stored for {organization} yet: this key is its first entry", markup=False)
        new = mint_key(services.settings.environment)
        lifetime = timedelta(days=expires) if expires else None
        key = services.ledger.api_keys.put(new, organization, label, roles, employee, lifetime)
    _show(new, key, as_json)


@app_of_keys.command("list")
def list_keys(
    org: Annotated[str | None, typer.Option("--org", help="Only this organization's.")] = None, as_json: Json = False
) -> None:
    """List keys, ended ones too; never their secrets."""
    with use_services() as services:
        if org is not None and not services.ledger.api_keys.is_known(org):
            raise NotFound(f"Nothing is stored for organization {org}; check how it is spelt")
        keys = services.ledger.api_keys.list_all(org)
    if as_json:
        print_json({"keys": [schemas.Key.from_key(key).to_json() for key in keys]})
        return
    table = Table("key", "organization", "roles", "employee", "label", "state", "created", "last used", "ends")
    for key in keys:
        moments = [
            moment and f"{moment:%Y-%m-%d %H:%M}" for moment in (key.created_at, key.last_used_at, key.expires_at)
        ]
        texts = [key.key_id, key.organization_id, ", ".join(key.roles), key.employee_id, key.label, key.state, *moments]
        table.add_row(*(text or "–" for text in texts))
    out.print(table)


@app_of_keys.command()
def rotate(
    key: KeyId,
    org: OfOrg = None,
    grace: Annotated[
        float, typer.Option(min=0, max=24 * 90, help="Hours for which the old key is still accepted; 0: none.")
    ] = (GRACE / timedelta(hours=1)),
    as_json: Json = False,
) -> None:
    """Replace a key by a new one with its rights; the old one is accepted for a while."""
    with use_services() as services:
        new = mint_key(services.settings.environment)
        rotated = services.ledger.api_keys.rotate(key, new, timedelta(hours=grace), org)
    if not as_json:
        console.print(f"{key} ends {f'in {grace:g} hours' if grace else 'now'}", markup=False)
    _show(new, rotated, as_json)


@app_of_keys.command()
def revoke(key: KeyId, org: OfOrg = None, as_json: Json = False) -> None:
    """End a key at once, and whoever is signed in with it."""
    with use_services() as services:
        revoked = services.ledger.api_keys.revoke(key, org)
    if as_json:
        print_json(schemas.Key.from_key(revoked).to_json())
    else:
        out.print(f"{revoked.key_id} of {revoked.organization_id} is revoked", markup=False)


def _show(new: NewKey, key: Key, as_json: bool) -> None:
    """The only time that a key is shown."""
    if as_json:
        print_json(schemas.CreatedKey.from_new(new, key).to_json())
    else:
        out.print(new.text, markup=False)
        console.print("Store it now: it is not shown again.", markup=False)
