"""rollback · cleanup · erase · sync-vectors: commands on documents that exist, each through its Dagster job."""

from typing import Annotated, Any

import typer

from domain.errors import InvalidRequest, NotFound, PermanentError
from gateway.cli.output import Json, console, out, print_json, use_services
from gateway.schemas.maintenance import ErasureReceipt, OldVersions, Removal, Rollback, VectorSync

Document = Annotated[str, typer.Argument(metavar="DOC", help="A document id.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count what would be removed; remove nothing.")]


def register(app: typer.Typer) -> None:
    app.command()(rollback)
    app.command()(cleanup)
    app.command("cleanup-versions")(cleanup_versions)
    app.command()(erase)
    app.command("sync-vectors")(sync_vectors)


def rollback(
    document: Document,
    to: Annotated[int, typer.Option("--to", metavar="N", help="The completed version to go back to.")],
    as_json: Json = False,
) -> None:
    """Make an older version live again, from stored embeddings: nothing is paid."""
    config = {"document_id": document, "to_version": to}
    output = run("document_rollback", "rolled_back_document", config, "Rolling back…")
    done = Rollback.model_validate(output)
    if as_json:
        print_json(done.to_json())
        return
    out.print(
        f"Version {to} of {document} is live again, instead of {done.rolled_back_from}: {done.vectors_restored} "
        f"vectors restored, {done.vectors_deleted} deleted, nothing embedded",
        markup=False,
    )


def cleanup(document: Document, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Remove a document entirely: vectors, files, lineage. Vectors that other documents share stay."""
    config = {"document_ids": [document], "dry_run": dry_run}
    (output,) = run("document_cleanup", "removed_documents", config, "Cleaning up…")
    removal = Removal.model_validate(output)
    if not removal.versions:
        raise NotFound(f"There is no document {document}; `rowline documents` lists them")
    if as_json:
        print_json(removal.to_json())
    else:
        out.print(removal_summary(removal), markup=False)


def cleanup_versions(
    keep: Annotated[
        int, typer.Option("--keep", min=1, help="The number of completed versions of a document that stay.")
    ],
    org: Annotated[str | None, typer.Option("--org", help="Only documents of this organization.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Delete older versions of documents; no rollback to them is possible afterwards."""
    config = {"keep": keep, "organization_id": org, "dry_run": dry_run}
    output = run("old_versions_cleanup", "removed_versions", config, "Looking for old versions…")
    old = OldVersions.model_validate(output)
    if as_json:
        print_json(old.to_json())
        return
    for removal in old.documents:
        out.print(removal_summary(removal), markup=False)
    if not old.documents:
        out.print(f"No document has versions beyond {keep}.")
    if old.remaining:
        console.print(f"→ {old.remaining} more documents have some; run it again", markup=False)


def erase(
    org: Annotated[str, typer.Option("--org", help="The organization.")],
    employee: Annotated[
        str | None, typer.Option("--employee", help="Only this employee; unset: the whole organization.")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Erase an organization or an employee: vectors, files, rows, embeddings, runs. Prints a receipt."""
    config = {"organization_id": org, "employee_number": employee, "dry_run": dry_run}
    receipt = ErasureReceipt.model_validate(run("erasure", "erased_owner", config, "Erasing…"))
    if as_json:
        print_json(receipt.to_json())
        return
    whose = f"employee {employee} of {org}" if employee else f"organization {org}"
    if dry_run:
        out.print(
            f"{whose}: {receipt.vectors_deleted} vectors and all else of {len(receipt.documents)} documents would go, "
            f"{receipt.inbox_files_deleted} files of the inbox and {receipt.orders_cancelled} batch jobs at OpenAI "
            "with it",
            markup=False,
        )
        return
    out.print(
        f"{whose} is erased: {receipt.vectors_deleted} vectors, {receipt.embeddings_deleted} embeddings, "
        f"{receipt.objects_deleted} files, {receipt.inbox_files_deleted} files of the inbox, "
        f"{receipt.orders_cancelled} batch jobs at OpenAI, {receipt.events_deleted} events, "
        f"{receipt.notifications_deleted} messages, {receipt.rows_erased} rows of documents that stay, "
        f"in {len(receipt.documents)} documents",
        markup=False,
    )
    if receipt.arrived_meanwhile:
        raise PermanentError(
            f"{len(receipt.arrived_meanwhile)} documents were uploaded meanwhile and stay: "
            f"{', '.join(receipt.arrived_meanwhile)}; stop the uploads, and run it again"
        )


def sync_vectors(
    repair: Annotated[
        bool, typer.Option("--repair", help="Restore missing vectors, delete unreferenced ones; nothing is embedded.")
    ] = False,
    rewrite: Annotated[
        bool, typer.Option("--rewrite", help="With --repair: send every vector again, also those that the store has.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare ledger and vector store both ways."""
    if rewrite and not repair:
        raise InvalidRequest("--rewrite changes the store; give --repair as well")
    config = {"repair": repair, "rewrite": rewrite}
    report = VectorSync.model_validate(run("vector_sync", "synced_vectors", config, "Comparing ledger and store…"))
    drifted = report.missing + report.orphaned + report.stale
    if as_json:
        print_json(report.to_json())
    else:
        out.print(
            f"{report.checked} vectors checked: {report.missing} missing, {report.stale} of old versions, "
            f"{report.orphaned} that nothing explains; {report.repaired} repaired"
            + (f", {report.rewritten} sent again" if report.rewritten else "")
        )
        if drifted and not repair:
            console.print("→ rowline sync-vectors --repair repairs it; nothing is embedded", markup=False)
    if drifted > report.repaired:
        raise typer.Exit(1)


def run(job: str, op: str, config: dict[str, Any], message: str) -> Any:
    """Run a job in this process; returns the output of its op."""
    with use_services() as services, console.status(message):
        from pipelines.local_runs import run_operation

        return run_operation(job, op, config, services)


def removal_summary(removal: Removal) -> str:
    return (
        f"{removal.document_id}: {len(removal.versions)} versions, {removal.vectors_deleted} vectors "
        f"in {len(removal.namespaces_affected)} namespaces, "
        f"{removal.objects_deleted + removal.inbox_files_deleted} files"
        + (f", {removal.orders_cancelled} batch jobs at OpenAI" if removal.orders_cancelled else "")
        + (" would go" if removal.dry_run else " removed")
    )
