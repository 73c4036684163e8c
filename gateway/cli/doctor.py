"""doctor: checks that this deployment has everything that it needs."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer

from gateway.cli.output import Json, console, out, print_json
from gateway.doctor.checklist import checklist
from gateway.doctor.context import Context
from gateway.doctor.results import Finding, State
from gateway.doctor.runner import examine
from settings.settings import load_valid_settings

SUMMARY: dict[State, str] = {"ok": "fine", "warning": "to look at", "failed": "failed", "skipped": "skipped"}
MARKS: dict[State, str] = {
    "ok": "[green]✓[/green]",
    "warning": "[yellow]![/yellow]",
    "failed": "[red]✗[/red]",
    "skipped": "[dim]–[/dim]",
}


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    production: Annotated[
        bool,
        typer.Option(
            "--production", help="Fail on defaults that are for a laptop. ENVIRONMENT=production does the same."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the deployment: settings, keys, database, stores, embedder, Dagster. Changes nothing; embeds one word."""
    settings, errors = load_valid_settings()
    context = Context(settings, errors, production or settings.environment == "production")
    try:
        with console.status("Checking…"):
            findings = examine(checklist(context), context)
    finally:
        context.close()
    passed = all(finding.state != "failed" for finding in findings)
    if as_json:
        print_json({"ok": passed, "checks": [finding.as_json() for finding in findings]})
    else:
        _show(findings)
    if not passed:
        raise typer.Exit(1)


def _show(findings: Sequence[Finding]) -> None:
    from rich.markup import escape

    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        verdict = finding.verdict
        out.print(f"{MARKS[verdict.state]} {escape(finding.name.ljust(width))}  {escape(verdict.message)}")
        if verdict.remedy:
            out.print(f"  {' ' * width}  → {verdict.remedy}", markup=False)
    counts = Counter(finding.state for finding in findings)
    out.print(" · ".join(f"{counts[state]} {word}" for state, word in SUMMARY.items() if counts[state]))
