"""Entry of the `rowline` command. Exit codes: 0 done, 1 failed, 2 misuse."""

import sys
from typing import Annotated

import typer

from domain.errors import ConfigurationError, InvalidRequest, RowlineError
from gateway.cli import (
    catalog,
    development,
    doctor,
    documents,
    error_workbook,
    events,
    gateway,
    keys,
    notifications,
    process,
    search,
    versions,
)
from gateway.cli.output import console, out

app = typer.Typer(
    name="rowline",
    help="Documents go in, searchable vectors come out, and every vector can name the row it came from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        out.print(f"rowline {version('rowline')}", markup=False)
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Typer shows the help of `app`."""


documents.register(app)
error_workbook.register(app)
process.register(app)
search.register(app)
versions.register(app)
catalog.register(app)
development.register(app)
gateway.register(app)
events.register(app)
keys.register(app)
notifications.register(app)
doctor.register(app)


def main() -> None:
    """Run the command; an expected error is printed as one sentence, never as a traceback."""
    try:
        app()
    except (InvalidRequest, ConfigurationError) as error:
        console.print(f"[red]✗[/red] {_plain(error)}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except RowlineError as error:
        console.print(f"[red]✗[/red] {_plain(error)}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _plain(error: Exception) -> str:
    from rich.markup import escape

    return escape(str(error))


if __name__ == "__main__":
    main()
