"""Entry of the `rowline` command. Exit codes: 0 done, 1 failed, 2 misuse."""

import sys

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
from gateway.cli.output import console

app = typer.Typer(
    name="rowline",
    help="Documents go in, searchable vectors come out, and every vector can name the row it came from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
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
    """Run the command; a failure that a person can be told is one sentence, never a traceback."""
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
