"""upload · status · documents · retry."""

from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer

from domain.documents.rows import Mode
from domain.documents.statuses import describe_status, document_json, error_rows, status_json, upload_json
from domain.documents.templates import WorkbookTemplate, parse_template
from domain.errors import InvalidRequest, PermanentError, RowlineError
from gateway.cli.output import Json, Org, console, opened, out, print_json
from gateway.cli.progress import watch
from operations.services import Services
from resources.ledger.documents.documents import Version
from resources.ledger.documents.uploads import SAME_NAME, SameName
from resources.ledger.documents.versions import UploadResult

STATUS_BADGES = {
    "pending": "⏳ pending (대기 중)",
    "processing": "🔄 processing (처리 중)",
    "completed": "✅ completed (완료)",
    "failed": "❌ failed (실패)",
    "rolled_back": "↩ rolled back (롤백됨)",
}

REMOVED = "🗑 being removed: run `rowline cleanup` again"
MOST = 1000  # documents of one list


def register(app: typer.Typer) -> None:
    app.command()(upload)
    app.command()(status)
    app.command("documents")(list_documents)
    app.command()(retry)


def upload(  # noqa: PLR0913, PLR0917 – an option each
    files: Annotated[list[Path], typer.Argument(help="Workbooks: xlsx, xlsm, xls, xlsb, ods, csv, tsv.")],
    org: Org,
    template: Annotated[str | None, typer.Option(help="Name of a stored template, or a template file.")] = None,
    mode: Annotated[str, typer.Option(help="company_wide or employee_split.")] = "company_wide",
    document: Annotated[str | None, typer.Option(help="Make a new version of this document.")] = None,
    same_name: Annotated[
        bool, typer.Option("--same-name", help="Make a new version of the newest document of that name and template.")
    ] = False,
    economy: Annotated[
        bool | None,
        typer.Option("--economy/--no-economy", help="May wait up to a day for OpenAI's Batch API, at half the price."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch until processing ends (needs `rowline dev`).")] = False,
    as_json: Json = False,
) -> None:
    """Upload workbooks; a running Rowline picks them up, or `rowline process` does."""
    which = which_document(files, document, same_name)
    with opened() as services:
        chosen = template_named(services, org, template)
        results, failures = take_all(services, files, org, chosen, checked_mode(mode), which, economy)
        taken = [result.version for result in results]
        shapes = [upload_json(result.version, result.already_known) for result in results]
        if wait:
            taken = [watch(services, version.document_id, version.version, quiet=as_json) for version in taken]
            shapes = [told(services, version) for version in taken]
    if as_json and (taken or not failures):
        print_json({"documents": shapes})
    elif not as_json and not wait:
        for result in results:
            out.print(uploaded(result), markup=False)
    for version in taken:
        if version.status in {"failed", "rolled_back"}:
            reason = version.error or f"version {version.version} was rolled back"
            named = f"{version.filename}: "  # as what is wrong with a file begins itself
            failures.append(PermanentError(named + reason.removeprefix(named)))
    for failure in failures:
        console.print(f"✗ {failure}", markup=False, highlight=False, soft_wrap=True)
    if failures:
        raise typer.Exit(2 if all(isinstance(failure, InvalidRequest) for failure in failures) else 1)


def which_document(files: list[Path], document: str | None, same_name: bool) -> str | SameName | None:
    """The document that the files belong to; None for a new one each. Raises InvalidRequest where they cannot."""
    if document and same_name:
        raise InvalidRequest("--document says which document it is, --same-name looks for it; give one of them")
    if document and len(files) > 1:
        raise InvalidRequest("--document takes one file: each version is one file")
    return SAME_NAME if same_name else document


def uploaded(result: UploadResult) -> str:
    version = result.version
    known = f" · already known as version {version.version}, nothing to do" if result.already_known else ""
    return f"{version.document_id}  version {version.version}  {version.filename}  {version.status}{known}"


def take_all(
    services: Services,
    files: list[Path],
    org: str,
    template: WorkbookTemplate,
    mode: Mode,
    document: str | SameName | None,
    economy: bool | None,
) -> tuple[list[UploadResult], list[RowlineError]]:
    """Upload each file; a bad one does not stop the good ones beside it (law 7)."""
    taken: list[UploadResult] = []
    failures: list[RowlineError] = []
    for path in files:
        try:
            taken.append(take(services, path, org, template, mode, document, economy))
        except RowlineError as failure:
            failures.append(failure)
    return taken, failures


def take(
    services: Services,
    path: Path,
    org: str,
    template: WorkbookTemplate,
    mode: Mode,
    document: str | SameName | None = None,
    economy: bool | None = None,
) -> UploadResult:
    try:
        with path.open("rb") as body:
            return services.uploads.upload(body, path.name, org, template, mode, document, economy=economy)
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from error


def template_named(services: Services, org: str, name: str | None) -> WorkbookTemplate:
    if name is None:
        return WorkbookTemplate()
    path = Path(name)
    if path.suffix in {".yaml", ".yml", ".json"} and path.is_file():
        return read_template(path)
    return services.ledger.organizations.template(org, name)


def read_template(file: Path) -> WorkbookTemplate:
    """A template file. Raises InvalidRequest where it cannot be read or is no template."""
    try:
        return parse_template(file.read_text("utf-8"), file.name)
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{file} is not UTF-8 text; save it as UTF-8") from error


def checked_mode(mode: str) -> Mode:
    if mode not in get_args(Mode):
        raise InvalidRequest(f"Mode {mode} does not exist; choose {' or '.join(get_args(Mode))}")
    return cast(Mode, mode)


def status(
    document: Annotated[str, typer.Argument(metavar="DOC", help="A document id.")], as_json: Json = False
) -> None:
    """Where a document stands: progress, batches, result or error."""
    with opened() as services:
        version = services.ledger.documents.latest(document)
        shape = told(services, version)
    if as_json:
        print_json(shape)
    else:
        show_status(shape)


def told(services: Services, version: Version) -> dict[str, Any]:
    batches = services.ledger.documents.batches(version.document_id, version.version)
    return status_json(version, batches)


def show_status(shape: dict[str, Any]) -> None:
    result = shape["result"]
    badge = STATUS_BADGES[shape["status"]]
    progress = shape["progress"]
    badge = describe_status(badge, result["errorRows"] if result else progress.get("errorRows", 0))
    out.print(f"{shape['filename']} (version {shape['version']}): {badge}", markup=False)
    if progress["batchesTotal"]:
        out.print(f"  {progress['batchesDone']} / {progress['batchesTotal']} batches, {progress['rowsDone']} rows")
    if result:
        out.print(
            f"  {result['totalRows']} rows: {result['processedRows'] - result['unchangedRows']} kept, "
            f"{result['unchangedRows']} unchanged, {result['duplicateRows']} duplicate, {result['errorRows']} error · "
            f"{result['vectorsCreated']} vectors created, {result['vectorsDeleted']} deleted · "
            f"{result['embeddedInputs']} texts embedded · {result['processingTimeMs'] / 1000:.1f} s"
        )
        for error in result["errors"][:10]:
            out.print(f"  ! {error['sheet']}, row {error['rowNumber']}: {error['message']}", markup=False)
        if result["errorRows"]:
            out.print(f"  → rowline errors {shape['documentId']} writes them into a copy of the sheet", markup=False)
    if waits_for := progress.get("waitsFor"):
        out.print(f"  {waits_for}", markup=False)
    if shape["error"]:
        out.print(f"  {shape['error']['message']}", markup=False)
    if live := shape.get("liveVersion"):
        out.print(f"  Searches show version {live}.", markup=False)


def list_documents(
    org: Annotated[str | None, typer.Option("--org", help="Only this organization's.")] = None, as_json: Json = False
) -> None:
    """All documents with their newest version."""
    with opened() as services:
        versions = services.ledger.documents.list_all(org, MOST + 1)
    if len(versions) > MOST:
        console.print(f"Only the newest {MOST} are listed; there are more", markup=False)
        versions = versions[:MOST]
    if as_json:
        print_json({"documents": [document_json(version) for version in versions]})
        return
    for v in versions:
        badge = describe_status(STATUS_BADGES[v.status].split(" (")[0], error_rows(v)) if not v.removed else REMOVED
        live = f"live {v.live_version}" if v.live_version else "not live"
        out.print(
            f"{v.document_id}  {badge}  version {v.version}, {live}  {v.organization_id}  {v.filename}", markup=False
        )


def retry(
    document: Annotated[str, typer.Argument(metavar="DOC", help="A document whose newest version failed.")],
    as_json: Json = False,
) -> None:
    """Try a failed document again; finished batches are not paid for twice."""
    with opened() as services:
        version = services.ledger.documents.retry(document)
    if as_json:
        print_json(upload_json(version))
    else:
        out.print(f"{version.document_id} is {version.status} again", markup=False)
