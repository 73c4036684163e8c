"""rollback · cleanup · erase · sync-vectors: what is done with documents that exist, each through its Dagster job."""

from typing import Annotated, Any

import typer

from domain.errors import InvalidRequest, NotFound, PermanentError
from gateway.cli.output import Json, console, opened, out, print_json

Document = Annotated[str, typer.Argument(metavar="DOC", help="A document id.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would go; remove nothing.")]


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
    """Make an older version live again, from kept embeddings: nothing is paid."""
    told = run("document_rollback", "rolled_back_document", {"document_id": document, "to_version": to}, "Going back…")
    if as_json:
        print_json(told)
        return
    out.print(
        f"Version {to} of {document} is live again, {told['rolledBackFrom']} was left: {told['vectorsRestored']} "
        f"vectors restored, {told['vectorsDeleted']} deleted, nothing embedded",
        markup=False,
    )


def cleanup(document: Document, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Remove a document whole: vectors, files, lineage. Rows that other documents share stay for them."""
    (told,) = run(
        "document_cleanup", "removed_documents", {"document_ids": [document], "dry_run": dry_run}, "Cleaning up…"
    )
    if not told["versions"]:
        raise NotFound(f"There is no document {document}; `rowline documents` lists them")
    if as_json:
        print_json(told)
    else:
        out.print(removed(told), markup=False)


def cleanup_versions(
    keep: Annotated[int, typer.Option("--keep", min=1, help="Completed versions of a document that are kept.")],
    org: Annotated[str | None, typer.Option("--org", help="Only documents of this organization.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Forget versions beyond those that are kept; they cannot be gone back to any more."""
    config = {"keep": keep, "organization_id": org, "dry_run": dry_run}
    told = run("old_versions_cleanup", "removed_versions", config, "Looking for old versions…")
    if as_json:
        print_json(told)
        return
    for one in told["documents"]:
        out.print(removed(one), markup=False)
    if not told["documents"]:
        out.print(f"No document has versions beyond {keep}.")
    if told["remaining"]:
        console.print(f"→ {told['remaining']} more documents have some; run it again", markup=False)


def erase(
    org: Annotated[str, typer.Option("--org", help="The organization.")],
    employee: Annotated[
        str | None, typer.Option("--employee", help="Only this employee; unset: the whole organization.")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Forget an organization or an employee: vectors, files, rows, embeddings, runs. Prints a receipt."""
    config = {"organization_id": org, "employee_number": employee, "dry_run": dry_run}
    told = run("erasure", "erased_owner", config, "Erasing…")
    if as_json:
        print_json(told)
        return
    whose = f"employee {employee} of {org}" if employee else f"organization {org}"
    if dry_run:
        out.print(
            f"{whose}: {told['vectorsDeleted']} vectors and all else of {len(told['documents'])} documents would go, "
            f"{told['inboxFilesDeleted']} files of the inbox and {told['ordersCancelled']} orders at OpenAI with it",
            markup=False,
        )
        return
    out.print(
        f"{whose} is erased: {told['vectorsDeleted']} vectors, {told['embeddingsDeleted']} embeddings, "
        f"{told['objectsDeleted']} files, {told['inboxFilesDeleted']} files of the inbox, "
        f"{told['ordersCancelled']} orders at OpenAI, {told['eventsDeleted']} events, {told['noticesDeleted']} "
        f"messages, {told['rowsErased']} rows of documents that stay, "
        f"in {len(told['documents'])} documents",
        markup=False,
    )
    if told["arrivedMeanwhile"]:
        raise PermanentError(
            f"{len(told['arrivedMeanwhile'])} documents were uploaded meanwhile and stay: "
            f"{', '.join(told['arrivedMeanwhile'])}; stop the uploads, and run it again"
        )


def sync_vectors(
    repair: Annotated[
        bool, typer.Option("--repair", help="Restore what is missing, delete what nobody needs; nothing is embedded.")
    ] = False,
    rewrite: Annotated[
        bool, typer.Option("--rewrite", help="With --repair: send every vector again, also those that are there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare ledger and vector store both ways."""
    if rewrite and not repair:
        raise InvalidRequest("--rewrite changes the store; give --repair as well")
    config = {"repair": repair, "rewrite": rewrite}
    told = run("vector_sync", "synced_vectors", config, "Comparing ledger and store…")
    drifted = told["missing"] + told["orphaned"] + told["stale"]
    if as_json:
        print_json(told)
    else:
        out.print(
            f"{told['checked']} vectors checked: {told['missing']} missing, {told['stale']} of old versions, "
            f"{told['orphaned']} that nothing explains; {told['repaired']} repaired"
            + (f", {told['rewritten']} sent again" if "rewritten" in told else "")
        )
        if drifted and not repair:
            console.print("→ rowline sync-vectors --repair puts it right; nothing is embedded", markup=False)
    if drifted > told["repaired"]:
        raise typer.Exit(1)


def run(job: str, op: str, config: dict[str, Any], what: str) -> Any:
    with opened() as services, console.status(what):
        from pipelines.local_runs import run_operation

        return run_operation(job, op, config, services)


def removed(told: dict[str, Any]) -> str:
    verb = "would go" if told["dryRun"] else "removed"
    return (
        f"{told['documentId']}: {len(told['versions'])} versions, {told['vectorsDeleted']} vectors "
        f"in {len(told['namespacesAffected'])} namespaces, {told['objectsDeleted'] + told['inboxFilesDeleted']} files"
        + (f", {told['ordersCancelled']} orders at OpenAI" if told["ordersCancelled"] else "")
        + f" {verb}"
    )
