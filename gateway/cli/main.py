"""Entry of the `rowline` command. Exit codes: 0 done, 1 failed, 2 misuse."""

import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from domain.errors import ConfigurationError, ErrorCode, InvalidRequest, RowlineError
from gateway.cli import (
    catalog,
    development,
    doctor,
    documents,
    error_workbook,
    events,
    gateway,
    keys,
    maintenance,
    notifications,
    process,
    search,
)
from gateway.cli.output import console, error_json, out, print_json

USAGE_ERROR = typer.BadParameter.__base__  # UsageError of Click, which Typer contains without exporting it


class CommandGroup(TyperGroup):
    """The commands; a wrong option is reported as JSON as well, if `--json` is among the others."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except USAGE_ERROR as error:  # type: ignore[misc]
            if wants_json(sys.argv[1:]):
                print_json({"error": {"code": ErrorCode.INVALID_USAGE, "message": error.format_message()}})
            raise


app = typer.Typer(
    cls=CommandGroup,
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
maintenance.register(app)
catalog.register(app)
development.register(app)
gateway.register(app)
events.register(app)
keys.register(app)
notifications.register(app)
doctor.register(app)


def main() -> None:
    """Run the command; an error is one sentence on stderr, never a traceback, and with `--json` a document as well."""
    try:
        app()
    except RowlineError as error:
        sys.exit(_report(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _report(error: RowlineError) -> int:
    """Print an error that ended the command; returns the exit code."""
    if wants_json(sys.argv[1:]):
        print_json({"error": error_json(error)})
    console.print(f"[red]✗[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
    return 2 if isinstance(error, InvalidRequest | ConfigurationError) else 1


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether `--json` is among the options; behind `--` it is a value."""
    return "--json" in takewhile(lambda argument: argument != "--", arguments)


if __name__ == "__main__":
    main()
