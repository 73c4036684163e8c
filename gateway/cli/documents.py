"""upload · status · documents · retry."""

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from domain.documents.rows import Mode
from domain.documents.statuses import describe_status, error_rows
from domain.documents.templates import WorkbookTemplate, parse_template
from domain.errors import ErrorCode, InvalidRequest, PermanentError, RowlineError
from gateway.cli.output import Json, Org, console, error_json, out, print_json, use_services
from gateway.cli.progress import watch
from gateway.schemas.documents import Document, DocumentStatus, Result, Upload
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
MAX_LISTED = 1000


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
        bool,
        typer.Option("--same-name", help="Make a new version of the newest document with the same name and template."),
    ] = False,
    economy: Annotated[
        bool | None,
        typer.Option("--economy/--no-economy", help="May wait up to a day for OpenAI's Batch API, at half the price."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch until processing ends (needs `rowline dev`).")] = False,
    as_json: Json = False,
) -> None:
    """Upload workbooks; a running Rowline picks them up, or `rowline process` does."""
    target = target_document(files, document, same_name)
    with use_services() as services:
        workbook_template = find_template(services, org, template)
        results, failures = upload_all(services, files, org, workbook_template, checked_mode(mode), target, economy)
        versions = [result.version for result in results]
        if wait:
            versions = [watch(services, version.document_id, version.version, quiet=as_json) for version in versions]
            documents = [read_status(services, version).to_json() for version in versions]
        else:
            documents = [Upload.from_result(result).to_json() for result in results]
    if not as_json and not wait:
        for result in results:
            out.print(upload_summary(result), markup=False)
    for version in versions:
        if version.status in {"failed", "rolled_back"}:
            reason = version.error or f"version {version.version} was rolled back"
            prefix = f"{version.filename}: "  # errors of a file begin with it already
            failures.append(PermanentError(prefix + reason.removeprefix(prefix), code=ErrorCode.VERSION_FAILED))
    if as_json:
        errors = [error_json(failure) for failure in failures]
        print_json({"documents": documents} | ({"error": errors[0], "errors": errors} if errors else {}))
    for failure in failures:
        console.print(f"✗ {failure}", markup=False, highlight=False, soft_wrap=True)
    if failures:
        raise typer.Exit(2 if all(isinstance(failure, InvalidRequest) for failure in failures) else 1)


def target_document(files: list[Path], document: str | None, same_name: bool) -> str | SameName | None:
    """The document that gets a new version; None for a new document per file.

    Raises InvalidRequest if the options contradict each other.
    """
    if document and same_name:
        raise InvalidRequest("--document names the document, --same-name finds it by its name; give one of them")
    if document and len(files) > 1:
        raise InvalidRequest("--document takes one file: each version is one file")
    return SAME_NAME if same_name else document


def upload_summary(result: UploadResult) -> str:
    version = result.version
    suffix = f" · already known as version {version.version}, nothing to do" if result.already_known else ""
    return f"{version.document_id}  version {version.version}  {version.filename}  {version.status}{suffix}"


def upload_all(
    services: Services,
    files: list[Path],
    org: str,
    template: WorkbookTemplate,
    mode: Mode,
    document: str | SameName | None,
    economy: bool | None,
) -> tuple[list[UploadResult], list[RowlineError]]:
    """Upload each file; a bad one does not stop the good ones beside it."""
    results: list[UploadResult] = []
    failures: list[RowlineError] = []
    for path in files:
        try:
            results.append(upload_file(services, path, org, template, mode, document, economy))
        except RowlineError as failure:
            failures.append(failure)
    return results, failures


def upload_file(
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


def find_template(services: Services, org: str, name: str | None) -> WorkbookTemplate:
    if name is None:
        return WorkbookTemplate()
    path = Path(name)
    if path.suffix in {".yaml", ".yml", ".json"} and path.is_file():
        return read_template(path)
    return services.ledger.organizations.template(org, name)


def read_template(file: Path) -> WorkbookTemplate:
    """Raises InvalidRequest if the file cannot be read or is no template."""
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
    """Show a document: progress, batches, result or error."""
    with use_services() as services:
        version = services.ledger.documents.latest(document)
        shown = read_status(services, version)
    if as_json:
        print_json(shown.to_json())
    else:
        show_status(shown)


def read_status(services: Services, version: Version) -> DocumentStatus:
    batches = services.ledger.documents.batches(version.document_id, version.version)
    return DocumentStatus.from_version(version, batches)


def show_status(status: DocumentStatus) -> None:
    result, progress = status.result, status.progress
    badge = describe_status(STATUS_BADGES[status.status], result.error_rows if result else progress.error_rows)
    out.print(f"{status.filename} (version {status.version}): {badge}", markup=False)
    if progress.batches_total:
        out.print(f"  {progress.batches_done} / {progress.batches_total} batches, {progress.rows_done} rows")
    if result:
        show_result(status.document_id, result)
    if progress.waits_for:
        out.print(f"  {progress.waits_for}", markup=False)
    if status.error:
        out.print(f"  {status.error.message}", markup=False)
    if status.live_version:
        out.print(f"  Searches show version {status.live_version}.", markup=False)


def show_result(document_id: str, result: Result) -> None:
    out.print(
        f"  {result.total_rows} rows: {result.processed_rows - result.unchanged_rows} kept, "
        f"{result.unchanged_rows} unchanged, {result.duplicate_rows} duplicate, {result.error_rows} error · "
        f"{result.vectors_created} vectors created, {result.vectors_deleted} deleted · "
        f"{result.embedded_inputs} texts embedded · {result.processing_time_ms / 1000:.1f} s"
    )
    for error in result.errors[:10]:
        out.print(f"  ! {error.sheet}, row {error.row_number}: {error.message}", markup=False)
    if result.error_rows:
        out.print(f"  → rowline errors {document_id} writes them into a copy of the sheet", markup=False)


def list_documents(
    org: Annotated[str | None, typer.Option("--org", help="Only this organization's.")] = None, as_json: Json = False
) -> None:
    """List documents with their newest version."""
    with use_services() as services:
        versions = services.ledger.documents.list_all(org, MAX_LISTED + 1)
    if len(versions) > MAX_LISTED:
        console.print(f"Only the newest {MAX_LISTED} are listed; there are more", markup=False)
        versions = versions[:MAX_LISTED]
    if as_json:
        print_json({"documents": [Document.from_version(version).to_json() for version in versions]})
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
    """Retry a failed document; finished batches are not paid for twice."""
    with use_services() as services:
        version = services.ledger.documents.retry(document)
    if as_json:
        print_json(Upload.from_version(version).to_json())
    else:
        out.print(f"{version.document_id} is {version.status} again", markup=False)
