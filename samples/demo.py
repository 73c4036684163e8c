"""The demo: `python -m samples.demo`. Uploads the samples, runs their graphs through Dagster, searches and traces.

Run again, it finds its documents by file name and uploads to them, so identical bytes are recognised; only the
workbook with error rows is read again.
Exit code 1 where a document did not complete or a question found nothing.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.documents.rows import Mode
from domain.documents.templates import parse_template
from domain.errors import RowlineError
from gateway.cli.documents import find_template, read_status, show_status, upload_file
from gateway.cli.output import console, out, use_services
from gateway.cli.search import trace
from operations.documents.employee_lists import read_employees
from operations.documents.search import Hit, Scope

if TYPE_CHECKING:
    from operations.services import Services
    from resources.ledger.documents.documents import Version

HERE = Path(__file__).resolve().parent
ORGANIZATION = "demo"


@dataclass(frozen=True, slots=True)
class Sample:
    """A file of this folder and how it is uploaded."""

    filename: str
    mode: Mode = "company_wide"
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of whose rows, and what it shows."""

    text: str
    shows: str
    employee: str | None = None


SAMPLES = (
    Sample("premiums_ko.xlsx", "employee_split", "premiums"),
    Sample("policies_ko_en.xlsx", template="coverages"),
    Sample("claims_en.xlsx"),
    Sample("title_and_notes.xlsx"),
    Sample("products_sk.xls"),
    Sample("film_list.ods"),
)
QUESTIONS = (
    Question("My phone screen is broken, is the repair covered?", "asked in English, answered by a Korean row"),
    Question("출장 가서 다치면 보장되나요?", "asked of the rows of one employee only", employee="E1003"),
    Question("자전거를 도둑맞았어요", "asked in Korean, answered by an English row"),
)


def main() -> int:
    """Exit code of the demo; a failure with a message for people is one sentence."""
    started = time.monotonic()
    try:
        with use_services() as services:
            out.print("[bold]Rowline demo[/bold]")
            home, model = services.settings.rowline_home, services.embedder.model.key
            out.print(f"organization {ORGANIZATION} · data in {home} · embeddings by {model}", markup=False)
            put_catalog(services)
            _title("Six workbooks, each through its document graph in Dagster")
            unfinished = [sample.filename for sample in SAMPLES if not processed(services, sample)]
            _title("Three questions")
            best = [asked(services, question) for question in QUESTIONS]
            _title("Where the last answer came from")
            if best[-1]:
                _command("trace", best[-1].match.vector_id)
                trace(best[-1].match.vector_id, ORGANIZATION)
            _where_next(services)
    except RowlineError as error:
        console.print(f"✗ {error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    unanswered = [question.text for question, hit in zip(QUESTIONS, best, strict=True) if hit is None]
    for filename in unfinished:
        console.print(f"✗ {filename} did not complete", markup=False, highlight=False)
    for text in unanswered:
        console.print(f"✗ nothing was found for: {text}", markup=False, highlight=False)
    if unfinished or unanswered:
        return 1
    out.print(f"\nDone in {time.monotonic() - started:.1f} s.")
    return 0


def put_catalog(services: Services) -> None:
    """The employees and templates that the samples need."""
    organizations = services.ledger.organizations
    employees = read_employees(HERE / "employees.csv")
    organizations.put_employees(ORGANIZATION, employees)
    templates = [parse_template(file.read_text("utf-8"), file.name) for file in sorted(HERE.glob("templates/*.yaml"))]
    for template in templates:
        organizations.put_template(ORGANIZATION, template)
    names = ", ".join(template.name for template in templates)
    out.print(f"{len(employees)} employees and the templates {names} are stored", markup=False)


def processed(services: Services, sample: Sample) -> bool:
    """Upload and, where its version is not completed yet, process; tells how it stands."""
    version = uploaded(services, sample)
    if version.status == "completed":
        out.print(f"{version.filename} (version {version.version}): known already, nothing to do", markup=False)
        return True
    with console.status(f"Processing {version.filename}…"):
        from pipelines.local_runs import run_document_graph

        run_document_graph(version.document_id, services)
    ended = services.ledger.documents.get(version.document_id, version.version)
    show_status(read_status(services, ended))
    return ended.status == "completed"


def uploaded(services: Services, sample: Sample) -> Version:
    """The version of the sample's bytes: in the document that holds this file already, else in a new one."""
    # a rolled-back document is left as its owner wants it
    held = {
        v.filename: v.document_id for v in services.ledger.documents.list_all(ORGANIZATION) if v.status != "rolled_back"
    }
    template = find_template(services, ORGANIZATION, sample.template)
    file, document = HERE / sample.filename, held.get(sample.filename)
    return upload_file(services, file, ORGANIZATION, template, sample.mode, document).version


def asked(services: Services, question: Question) -> Hit | None:
    """Ask, show the two best rows with where they stand in their files, and return the best."""
    out.print(f"\n[bold cyan]{question.text}[/bold cyan]  [dim]({question.shows})[/dim]")
    scope = [] if question.employee is None else ["--employee", question.employee]
    _command("search", question.text, "--org", ORGANIZATION, *scope)
    hits = services.search.find(question.text, Scope(ORGANIZATION, question.employee), top_k=2)
    for hit in hits:
        first = hit.sources[0]
        out.print(f"{hit.match.score:5.2f}  {' · '.join(first['content'].splitlines())}", markup=False)
        out.print(f"       ↳ {first['filename']}, {first['sheet']}, row {first['row_number']}", markup=False)
        out.print(f"         {_cells(services, hit)}", markup=False, style="dim")
    return hits[0] if hits else None


def _cells(services: Services, hit: Hit) -> str:
    rows = services.ledger.lineage.trace(hit.match.vector_id, ORGANIZATION)
    cells: dict[str, Any] = next((row["source_row"] for row in rows if row["live"]), {})
    return " | ".join(str(cell) for cell in cells.values() if cell)


def _where_next(services: Services) -> None:
    _title("Where to look next")
    rowline = _rowline()
    for line, why in (
        (
            f"DEFAULT_ORGANIZATION={ORGANIZATION} {rowline} dev",
            f"everything up: pages with these documents at http://127.0.0.1:{services.settings.gateway_port}, "
            f"Dagster's UI at http://127.0.0.1:{services.settings.dagster_port}",
        ),
        (f"{rowline} documents --org {ORGANIZATION}", "the documents of this demo"),
        (f"{rowline} status DOC", "one of them: batches, counts, error rows"),
        (f"{rowline} search QUESTION --org {ORGANIZATION}", "your own question"),
        (f"{rowline} upload FILE --org {ORGANIZATION}", "your own workbook"),
        ("README.md, docs/, samples/README.md", "how it works, how to run it, what these files hold"),
    ):
        out.print(f"  {line:<52}  {why}", markup=False)


def _title(text: str) -> None:
    out.print(f"\n[bold]{text}[/bold]")


def _command(*words: str) -> None:
    out.print(f"$ {_rowline()} {shlex.join(words)}", markup=False, style="green")


def _rowline() -> str:
    """How the command is called from here."""
    if shutil.which("rowline"):
        return "rowline"
    beside = Path(sys.executable).with_name("rowline")
    return str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)


if __name__ == "__main__":
    sys.exit(main())
