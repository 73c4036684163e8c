"""errors: a document's sheets, with the error of each row."""

import os
import tempfile
from pathlib import Path, PurePath
from shlex import quote
from typing import Annotated

import typer

from domain.documents.statuses import count_noun
from domain.documents.templates import WorkbookTemplate
from domain.errors import InvalidRequest
from gateway.cli.output import Json, console, out, print_json, use_services
from operations.services import Services
from resources.ledger.documents.documents import Version


def register(app: typer.Typer) -> None:
    app.command()(errors)


def errors(
    document: Annotated[str, typer.Argument(metavar="DOC", help="A document id.")],
    file: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.xlsx", help="Unset: `<filename> errors.xlsx` here.")
    ] = None,
    version: Annotated[int | None, typer.Option(metavar="N", help="Unset: the newest version.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Write the sheets of a document as a workbook, with a column that names the error of each row."""
    with use_services() as services:
        documents = services.ledger.documents
        chosen = documents.latest(document) if version is None else documents.get(document, version)
        target = file or Path(f"{PurePath(chosen.filename).stem} errors.xlsx")
        with console.status(f"Reading {chosen.filename} again…"):
            count = write_workbook(services, chosen, target, force)
    if as_json:
        written = str(target) if count else None
        print_json({"documentId": document, "version": chosen.version, "errorRows": count, "file": written})
    elif count:
        out.print(f"{target}: {count_noun(count, 'error row')} marked; correct and upload the file with", markup=False)
        out.print(f"  rowline upload {quote(str(target))} {upload_options(chosen)}", markup=False)
    else:
        out.print(
            f"No row of {chosen.filename} (version {chosen.version}) has an error; nothing to write", markup=False
        )


def upload_options(version: Version) -> str:
    """Options of `rowline upload` that make the next version of the document in the same way."""
    template = f" --template {quote(version.template.name)}" if version.template != WorkbookTemplate() else ""
    mode = f" --mode {version.mode}" if version.mode != "company_wide" else ""
    return f"--org {version.organization_id} --document {version.document_id}{template}{mode}"


def write_workbook(services: Services, version: Version, target: Path, force: bool) -> int:
    """Write the workbook, whole or not at all; returns the number of rows with an error, 0 if nothing was written.

    Raises InvalidRequest if the target exists or cannot be written.
    """
    if target.exists() and not force:
        raise InvalidRequest(f"{target} exists already; --force replaces it, --out names another file")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".rowline-") as folder:
            workbook = Path(folder) / "errors.xlsx"
            count = services.error_workbooks.write(version, workbook)
            if count:
                os.replace(workbook, target)
    except OSError as error:
        raise InvalidRequest(f"{target} cannot be written: {error.strerror}") from error
    return count
