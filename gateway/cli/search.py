"""search · trace."""

from typing import Annotated
from uuid import UUID

import typer

from domain.errors import InvalidRequest, NotFound
from gateway.cli.output import Json, Org, console, out, print_json, use_services
from gateway.schemas.search import Hits, Trace
from operations.documents.search import Hit, Scope


def register(app: typer.Typer) -> None:
    app.command()(search)
    app.command()(trace)


def search(
    query: Annotated[str, typer.Argument(help="A question or words, in any language.")],
    org: Org,
    employee: Annotated[str | None, typer.Option(help="Only this employee's rows.")] = None,
    document: Annotated[str | None, typer.Option(help="Only rows of this document.")] = None,
    top_k: Annotated[int, typer.Option("-k", min=1, max=1000, help="The number of hits at most.")] = 5,
    as_json: Json = False,
) -> None:
    """Find rows by meaning; each hit names the rows that it comes from."""
    scope = Scope(org, employee, document)
    with use_services() as services:
        hits = services.search.find(query, scope, top_k)
        unsearchable = services.search.unsearchable(scope)
        model, store = services.embedder.model.key, services.vectors.name
    if unsearchable:
        console.print(
            f"! {len(unsearchable)} documents are not searched (the first is {unsearchable[0]}): their vectors are of "
            f"another model than {model}, or in another store than {store}. Another model: upload them again with "
            "--document. Another store: `rowline process` brings them over, nothing is embedded anew",
            markup=False,
            soft_wrap=True,
        )
    if as_json:
        print_json(Hits.from_hits(hits).to_json())
    elif not hits:
        out.print("Nothing found.")
    else:
        for hit in hits:
            show_hit(hit)


def show_hit(hit: Hit) -> None:
    """Print a hit: score, text, and the first row that it comes from."""
    first = hit.sources[0]
    text = " · ".join(first["content"].splitlines())
    more = f" (and {len(hit.sources) - 1} more rows)" if len(hit.sources) > 1 else ""
    out.print(f"{hit.match.score:5.2f}  {text}", markup=False)
    out.print(
        f"       ↳ {first['filename']}, {first['sheet']}, row {first['row_number']}{more}"
        f" · vector {hit.match.vector_id}",
        markup=False,
        style="dim",
    )


def trace(
    vector: Annotated[str, typer.Argument(metavar="VECTOR", help="A vector id.")],
    org: Annotated[str | None, typer.Option("--org", help="Only rows of this organization.")] = None,
    as_json: Json = False,
) -> None:
    """Show where a vector came from: file, version, row, batch, model and run."""
    try:
        vector = str(UUID(vector))
    except ValueError:
        raise InvalidRequest(f"{vector} is not a vector id; search hits name them") from None
    with use_services() as services:
        rows = services.ledger.lineage.trace(vector, org)
    if not rows:
        raise NotFound(f"Nothing points at vector {vector}")
    traced = Trace.from_rows(rows)
    if as_json:
        print_json(traced.to_json())
        return
    out.print(f"vector {traced.vector_id} in {traced.namespace} · {traced.model}", markup=False)
    for row in traced.rows:
        live = "live" if row.live else "not live"
        out.print(
            f"  {row.filename} v{row.version} ({live}), {row.sheet}, row {row.row_number}, "
            f"batch {row.batch_number}, run {row.run_id}\n    "
            + " · ".join(f"{column}: {cell}" for column, cell in row.source_row.items() if cell),
            markup=False,
        )
