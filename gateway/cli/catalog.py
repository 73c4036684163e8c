"""template put|list · employees put|list."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gateway.cli.documents import read_template
from gateway.cli.output import Json, Org, out, print_json, use_services
from operations.documents.employee_lists import read_employees


def register(app: typer.Typer) -> None:
    template = typer.Typer(help="How an organization's workbooks are read.", no_args_is_help=True)
    template.command("put")(put_template)
    template.command("list")(list_templates)
    app.add_typer(template, name="template")
    employees = typer.Typer(help="The owners of rows in employee_split mode.", no_args_is_help=True)
    employees.command("put")(put_employees)
    employees.command("list")(list_employees)
    app.add_typer(employees, name="employees")


def put_template(
    file: Annotated[Path, typer.Argument(help="A template in YAML or JSON.")], org: Org, as_json: Json = False
) -> None:
    """Store a template; later uploads can name it."""
    template = read_template(file)
    with use_services() as services:
        services.ledger.organizations.put_template(org, template)
    if as_json:
        print_json({"template": template.as_json()})
    else:
        out.print(f"Template {template.name} is stored for {org}", markup=False)


def list_templates(org: Org, as_json: Json = False) -> None:
    """List the templates of an organization."""
    with use_services() as services:
        templates = services.ledger.organizations.templates(org)
    if as_json:
        print_json({"templates": templates})
        return
    for template in templates:
        out.print(template["name"], markup=False)


def put_employees(
    file: Annotated[Path, typer.Argument(help="A table with columns employeeNumber, name, optional namespace.")],
    org: Org,
    as_json: Json = False,
) -> None:
    """Add or change employees; those that the file does not list stay."""
    employees = read_employees(file)
    with use_services() as services:
        services.ledger.organizations.put_employees(org, employees)
    if as_json:
        print_json({"employees": len(employees)})
    else:
        out.print(f"{len(employees)} employees are stored for {org}", markup=False)


def list_employees(org: Org, as_json: Json = False) -> None:
    """List the employees of an organization, with their namespaces."""
    with use_services() as services:
        employees = services.ledger.organizations.employees(org)
    if as_json:
        print_json({"employees": employees})
        return
    table = Table("employeeNumber", "name", "namespace")
    for employee in employees:
        table.add_row(employee["employeeNumber"], employee["name"], employee["namespace"])
    out.print(table)
