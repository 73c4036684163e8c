"""Shared by the commands: the console on stderr, JSON on stdout, the services."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console

from domain.errors import RowlineError
from operations.services import Services, open_services

console = Console(stderr=True)
out = Console(highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
Org = Annotated[str, typer.Option("--org", help="The organization that owns the rows.")]


def print_json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=str) + "\n")


def error_json(error: RowlineError) -> dict[str, str]:
    """An error as `--json` shows it: `code` for programs, `message` for people."""
    return {"code": error.code, "message": str(error)}


@contextmanager
def use_services() -> Iterator[Services]:
    """The services that the settings choose, closed at the end of the command."""
    services = open_services()
    try:
        yield services
    finally:
        services.close()
